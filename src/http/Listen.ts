/** Puts a `node:http` server on an address for as long as the scope lives. */
import type { Server } from "node:http"
import { type AddressInfo, isIPv6 } from "node:net"
import { Effect, type Scope } from "effect"
import { type BindFailed, bindFailed } from "../runtime/BindFailed.ts"

export interface Listening {
  readonly server: Server
  readonly address: AddressInfo
}

/** `door` names the server in the failure. Whatever is still open at the end is cut. */
export const listen = (
  door: string,
  make: () => Server,
  host: string,
  port: number
): Effect.Effect<Listening, BindFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Listening, BindFailed>((resume) => {
      const server = make()
      const failed = (cause: NodeJS.ErrnoException) => resume(bindFailed(door, host, port, cause))
      server.once("error", failed)
      // Each family has its own socket: a wildcard of one must not claim the other's.
      server.listen({ host, port, exclusive: true, ipv6Only: isIPv6(host) }, () => {
        server.off("error", failed)
        server.on("error", () => {})
        const address = server.address()
        if (address !== null && typeof address === "object")
          resume(Effect.succeed({ server, address }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
