/**
 * The HTTP door: open while the layer lives. It ends in order: not ready, no new
 * connections, requests in flight finish within the budget, then whatever is left is cut.
 */
import type { AddressInfo } from "node:net"
import { Context, Effect, Layer } from "effect"
import { LifecycleConfig } from "../runtime/LifecycleConfig.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { ApiApp } from "./ApiApp.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import { drained } from "./Draining.ts"
import { Front } from "./Front.ts"
import { HttpListeners } from "./HttpListeners.ts"
import type { Listening } from "./Listen.ts"

export class HttpServer extends Context.Tag("dnsmesh/http/HttpServer")<
  HttpServer,
  {
    /** Where it listens; with port 0 the kernel chose. */
    readonly addresses: ReadonlyArray<AddressInfo>
  }
>() {
  static readonly layer = Layer.scoped(
    HttpServer,
    Effect.gen(function* () {
      const { shutdownTimeout } = yield* LifecycleConfig
      const readiness = yield* Readiness
      const { inFlight, listeners, serve } = yield* HttpListeners
      yield* serve((yield* Front).onRequest)

      // Added last, so it runs before the listeners' own release.
      yield* Effect.addFinalizer(() =>
        Effect.zipRight(readiness.drain, drained(listeners, inFlight, shutdownTimeout))
      )
      yield* readiness.register({ name: "http", run: listening(listeners) })
      for (const { address } of listeners)
        yield* Effect.logInfo(`HTTP listening on http://${authority(address)}`)
      return { addresses: listeners.map(({ address }) => address) }
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  ).pipe(
    Layer.provide(Front.layer),
    Layer.provide(ApiApp.layer),
    Layer.provide([Authentication.layer, ClientLimit.layer])
  )
}

const listening = (listeners: ReadonlyArray<Listening>): Effect.Effect<void, string> =>
  Effect.suspend(() =>
    listeners.every(({ server }) => server.listening) ? Effect.void : Effect.fail("not listening")
  )

const authority = ({ address, family, port }: AddressInfo): string =>
  family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`
