/**
 * The HTTP door: bound while the layer lives. It ends in order: not ready, no new
 * connections, requests in flight finish within the budget, then whatever is left is cut.
 */
import type { AddressInfo } from "node:net"
import { Context, Duration, Effect, Layer } from "effect"
import { LifecycleConfig } from "../runtime/LifecycleConfig.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { TrustedProxies } from "../runtime/TrustedProxies.ts"
import { ApiApp } from "./ApiApp.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import { Front } from "./Front.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as Listener from "./Listener.ts"

export class HttpServer extends Context.Tag("dnsmesh/http/HttpServer")<
  HttpServer,
  {
    /** Where it listens; with port 0 the kernel chose. */
    readonly addresses: ReadonlyArray<AddressInfo>
  }
>() {
  /** Fails if one of the hosts cannot be bound; then none stays bound. */
  static readonly layer = Layer.scoped(
    HttpServer,
    Effect.gen(function* () {
      const config = yield* HttpConfig
      const { shutdownTimeout } = yield* LifecycleConfig
      const readiness = yield* Readiness
      const trusts = yield* TrustedProxies
      const { inFlight, onRequest } = yield* Front
      const options = {
        config,
        connections: new Listener.Connections(),
        trusts,
        onRequest,
        inFlight
      }
      const listeners = yield* Effect.forEach(config.hosts, (host) => Listener.bind(host, options))

      // Added last, so it runs before the listeners' own release.
      yield* Effect.addFinalizer(() =>
        readiness.drain.pipe(
          Effect.zipRight(
            Effect.sync(() => {
              for (const { server } of listeners) {
                server.close()
                server.closeIdleConnections()
              }
            })
          ),
          Effect.zipRight(inFlight.none),
          Effect.interruptible,
          Effect.timeoutOption(Duration.seconds(shutdownTimeout)),
          Effect.asVoid
        )
      )
      yield* readiness.register({ name: "http", run: listening(listeners) })
      for (const { address } of listeners)
        yield* Effect.logInfo(`HTTP listening on http://${authority(address)}`)
      return { addresses: listeners.map(({ address }) => address) }
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  ).pipe(
    Layer.provide(Front.layer),
    Layer.provide(ApiApp.layer),
    Layer.provide([Authentication.layer, ClientLimit.layer]),
    Layer.provide(
      Layer.unwrapEffect(
        Effect.map(HttpConfig, ({ trustedProxies }) => TrustedProxies.layer(trustedProxies))
      )
    )
  )
}

const listening = (listeners: ReadonlyArray<Listener.Listener>): Effect.Effect<void, string> =>
  Effect.suspend(() =>
    listeners.every(({ server }) => server.listening) ? Effect.void : Effect.fail("not listening")
  )

const authority = ({ address, family, port }: AddressInfo): string =>
  family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`
