/**
 * A door for the sync routes alone, on an address the public does not reach: then they are
 * gone from the public one. Bound while the layer lives.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Effect, Layer, Option, Runtime } from "effect"
import { PeersConfig } from "../peers/PeersConfig.ts"
import { peerOf } from "./ClientAddress.ts"
import * as Dispatch from "./Dispatch.ts"
import { listen } from "./Listen.ts"
import { RateLimitFields } from "./RateLimitFields.ts"
import * as Refusal from "./Refusal.ts"
import { type Reply, write } from "./Reply.ts"
import * as RequestBody from "./RequestBody.ts"
import * as SyncHttp from "./SyncHttp.ts"

/** Milliseconds: peers are few and near. */
const patience = 10_000
const keepAlive = 125_000
const maxConnections = 256

export class SyncListener extends Context.Tag("dnsmesh/http/SyncListener")<
  SyncListener,
  {
    /** Where it listens; empty when the sync routes are on the public door. */
    readonly addresses: ReadonlyArray<AddressInfo>
  }
>() {
  /** Fails if one of the hosts cannot be bound; then none stays bound. */
  static readonly layer = Layer.scoped(
    SyncListener,
    Effect.gen(function* () {
      const { syncHosts, syncPort } = yield* PeersConfig
      if (Option.isNone(syncPort)) return { addresses: [] }
      const dispatch = Dispatch.make([], yield* SyncHttp.routes)
      const runFork = Runtime.runFork(yield* Effect.runtime<never>())
      const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
        const id = crypto.randomUUID()
        request.on("error", () => {})
        response.on("error", () => {})
        const limits = new RateLimitFields()
        const answer = (reply: Reply) => write(request, response, id, reply, limits)
        const refuse = (refusal: Refusal.Refusal) => answer(Refusal.reply(refusal, id))
        const [path = "/", query = ""] = (request.url ?? "/").split(/(?=\?)/, 2)
        const target = dispatch(request.method ?? "", path)
        if (target._tag === "MethodNotAllowed")
          return refuse(Refusal.methodNotAllowed(target.allow))
        if (target._tag !== "Direct") return refuse(Refusal.notFound)
        runFork(
          target.route
            .handle({
              request,
              method: target.method,
              path,
              query,
              client: peerOf(request.socket.remoteAddress),
              limits,
              id,
              body: (cap) => RequestBody.read(request, response, { cap, patience })
            })
            .pipe(
              Effect.match({ onSuccess: answer, onFailure: refuse }),
              Effect.catchAllCause((cause) =>
                Effect.zipRight(
                  Effect.logError("a sync request met a defect", cause),
                  Effect.sync(() => refuse(Refusal.internal))
                )
              )
            )
        )
      }
      const addresses = yield* Effect.forEach(syncHosts, (host) =>
        Effect.map(bind(host, syncPort.value, onRequest), ({ address }) => address)
      )
      for (const { address, port } of addresses)
        yield* Effect.logInfo(`sync routes listening on ${address} port ${port}`)
      return { addresses }
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  )
}

const bind = (
  host: string,
  port: number,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void
) => {
  const make = (): Server => {
    const server = createServer({
      headersTimeout: patience,
      requestTimeout: 3 * patience,
      keepAliveTimeout: keepAlive,
      noDelay: true
    })
    server.maxConnections = maxConnections
    return server.on("request", onRequest)
  }
  return listen("sync", make, host, port)
}
