/**
 * The HTTP sockets, bound before anything else of the node exists; until there is a front
 * behind them every request is told to come back. They close last.
 */
import type { RequestListener } from "node:http"
import { Context, Effect, Layer } from "effect"
import { TrustedProxies } from "../runtime/TrustedProxies.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import { InFlight } from "./InFlight.ts"
import type { Listening } from "./Listen.ts"
import * as Listener from "./Listener.ts"
import { starting } from "./Starting.ts"

export class HttpListeners extends Context.Tag("dnsmesh/http/HttpListeners")<
  HttpListeners,
  {
    readonly listeners: ReadonlyArray<Listening>
    /** What the front registers requests with. */
    readonly inFlight: InFlight
    /** From now on `onRequest` answers. */
    readonly serve: (onRequest: RequestListener) => Effect.Effect<void>
  }
>() {
  /** Fails if one of the hosts cannot be bound; then none stays bound. */
  static readonly layer = Layer.scoped(
    HttpListeners,
    Effect.gen(function* () {
      const config = yield* HttpConfig
      const trusts = yield* TrustedProxies
      const inFlight = new InFlight((size) => HttpMetrics.inFlight.unsafeUpdate(size, []))
      let current = starting
      const options = {
        config,
        connections: new Listener.Connections(),
        trusts,
        onRequest: ((request, response) => current(request, response)) satisfies RequestListener
      }
      const listeners = yield* Effect.forEach(config.hosts, (host) => Listener.bind(host, options))
      return HttpListeners.of({
        listeners,
        inFlight,
        serve: (onRequest) =>
          Effect.sync(() => {
            current = onRequest
          })
      })
    })
  ).pipe(
    Layer.provideMerge(
      Layer.unwrapEffect(
        Effect.map(HttpConfig, ({ trustedProxies }) => TrustedProxies.layer(trustedProxies))
      )
    )
  )
}
