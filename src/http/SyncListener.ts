/**
 * A door for the sync routes alone, on an address the public does not reach: then they are
 * gone from the public one. Open while the layer lives; what a peer has asked by then it still
 * gets whole.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Effect, Layer, Runtime } from "effect"
import { LifecycleConfig } from "../runtime/LifecycleConfig.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { peerOf } from "./ClientAddress.ts"
import * as Dispatch from "./Dispatch.ts"
import { drained } from "./Draining.ts"
import { RateLimitFields } from "./RateLimitFields.ts"
import * as Refusal from "./Refusal.ts"
import { type Reply, write } from "./Reply.ts"
import * as RequestBody from "./RequestBody.ts"
import * as SyncHttp from "./SyncHttp.ts"
import { patience, SyncListeners } from "./SyncListeners.ts"

export class SyncListener extends Context.Tag("dnsmesh/http/SyncListener")<
  SyncListener,
  {
    /** Where it listens; empty when the sync routes are on the public door. */
    readonly addresses: ReadonlyArray<AddressInfo>
  }
>() {
  static readonly layer = Layer.scoped(
    SyncListener,
    Effect.gen(function* () {
      const { inFlight, listeners, serve } = yield* SyncListeners
      if (listeners.length === 0) return { addresses: [] }
      const { shutdownTimeout } = yield* LifecycleConfig
      const readiness = yield* Readiness
      const dispatch = Dispatch.make([], yield* SyncHttp.routes)
      const runFork = Runtime.runFork(yield* Effect.runtime<never>())
      const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
        const id = crypto.randomUUID()
        const place = inFlight.add(response)
        request.on("error", () => {})
        response.on("error", () => {})
        response.once("close", () => inFlight.settle(place))
        const limits = new RateLimitFields()
        const answer = (reply: Reply) => {
          if (readiness.draining()) response.setHeader("Connection", "close")
          write(request, response, id, reply, limits)
        }
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
      yield* serve(onRequest)
      yield* Effect.addFinalizer(() => drained(listeners, inFlight, shutdownTimeout))
      const addresses = listeners.map(({ address }) => address)
      for (const { address, port } of addresses)
        yield* Effect.logInfo(`sync routes listening on ${address} port ${port}`)
      return { addresses }
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  )
}
