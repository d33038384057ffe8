/**
 * The sockets of the sync routes where they have a port of their own, bound with all the others
 * before anything else of the node exists. They close last.
 */
import { createServer, type RequestListener, type Server } from "node:http"
import { Context, Effect, Layer, Option } from "effect"
import { PeersConfig } from "../peers/PeersConfig.ts"
import { InFlight } from "./InFlight.ts"
import { type Listening, listen } from "./Listen.ts"
import { starting } from "./Starting.ts"

/** Milliseconds: peers are few and near. */
export const patience = 10_000
const keepAlive = 125_000
const maxConnections = 256

export class SyncListeners extends Context.Tag("dnsmesh/http/SyncListeners")<
  SyncListeners,
  {
    /** Empty when the sync routes are on the public door. */
    readonly listeners: ReadonlyArray<Listening>
    /** What the door registers requests with. */
    readonly inFlight: InFlight
    /** From now on `onRequest` answers. */
    readonly serve: (onRequest: RequestListener) => Effect.Effect<void>
  }
>() {
  /** Fails if one of the hosts cannot be bound; then none stays bound. */
  static readonly layer = Layer.scoped(
    SyncListeners,
    Effect.gen(function* () {
      const { syncHosts, syncPort } = yield* PeersConfig
      let current = starting
      const make = (): Server => {
        const server = createServer({
          headersTimeout: patience,
          requestTimeout: 3 * patience,
          keepAliveTimeout: keepAlive,
          noDelay: true
        })
        server.maxConnections = maxConnections
        return server.on("request", (request, response) => current(request, response))
      }
      const listeners = yield* Option.match(syncPort, {
        onNone: () => Effect.succeed<ReadonlyArray<Listening>>([]),
        onSome: (port) => Effect.forEach(syncHosts, (host) => listen("sync", make, host, port))
      })
      return SyncListeners.of({
        listeners,
        inFlight: new InFlight(),
        serve: (onRequest) =>
          Effect.sync(() => {
            current = onRequest
          })
      })
    })
  )
}
