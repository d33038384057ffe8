/** `dnsmesh-node serve`: the node in the foreground until a signal or a fatal failure ends it. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import * as App from "../App.ts"
import { DnsListeners } from "../dns/DnsServer.ts"
import * as LiveSettings from "../LiveSettings.ts"
import { HttpServer } from "../http/HttpServer.ts"
import { ShownSettings } from "../http/ShownSettings.ts"
import { collect } from "../runtime/Garbage.ts"
import * as SystemdNotify from "../runtime/SystemdNotify.ts"
import { loadConfig } from "../Settings.ts"
import { StoreCheck } from "../sql/CheckedRecords.ts"
import { OpenError } from "../sql/OpenError.ts"
import { damaged } from "../sql/SqliteFile.ts"
import { StoreThread } from "../sql/StoreThread.ts"
import { effective, startLine } from "./EffectiveConfig.ts"
import * as Signals from "./Signals.ts"
import { startWarnings } from "./StartWarnings.ts"

const log = Effect.annotateLogs({ logger: "dmp.server.node" })

export const serve = Effect.gen(function* () {
  const loaded = yield* loadConfig(process.env).pipe(Effect.provide(NodeFileSystem.layer))
  const { config } = loaded
  const signal = yield* Signals.watch
  const runtime = ManagedRuntime.make(
    LiveSettings.layer(loaded, process.env).pipe(
      Layer.provide(NodeFileSystem.layer),
      Layer.provideMerge(App.layer(config)),
      Layer.provide(Layer.succeed(ShownSettings, effective(loaded.environment)))
    )
  )

  const opening = Effect.gen(function* () {
    yield* Effect.logInfo(startLine(loaded))
    for (const { level, message } of loaded.notices)
      yield* level === "WARNING" ? Effect.logWarning(message) : Effect.logInfo(message)
    for (const warning of startWarnings(config)) yield* Effect.logWarning(warning)
  })

  const running = Effect.gen(function* () {
    const dns = yield* DnsListeners
    const http = yield* HttpServer
    const thread = yield* StoreThread
    yield* Effect.logInfo(
      `DMP node up: dns=${dns.bound.map(({ host, port }) => `${host}:${port}`).join(",")}/udp+tcp ` +
        `http=${http.addresses.map(({ address, port }) => `${address}:${port}`).join(",")} ` +
        `db=${config.store.dbPath}`
    )
    // What has been waiting for the start is answered first.
    yield* Effect.zipRight(thread.tidy, collect).pipe(Effect.delay("1 second"), Effect.forkScoped)
    const { done } = yield* StoreCheck
    yield* Effect.raceFirst(done, thread.died)
    yield* SystemdNotify.announce(process.env, "serving")
    return yield* thread.died
  }).pipe(
    Effect.scoped,
    Effect.onInterrupt(() =>
      Effect.zipRight(
        Effect.logInfo(`received signal ${signal() ?? "none"}`),
        Effect.logInfo("DMP node shutting down")
      )
    ),
    log
  )

  // The listeners and the stores end within budgets of their own; this one is for the sum.
  const services = Effect.mapError(runtime.runtimeEffect, (error) =>
    error._tag === "StoreError" && error.reason === "corrupt"
      ? new OpenError({
          reason: "corrupt",
          path: config.store.dbPath,
          // What fills the zone may come upon a damage before the check does.
          message: damaged(config.store.dbPath, error.message)
        })
      : error
  )
  const budget = Duration.seconds(config.lifecycle.shutdownTimeout + 5)
  return yield* Effect.flatMap(services, (built) =>
    Effect.provide(Effect.zipRight(log(opening), running), built)
  ).pipe(
    Effect.ensuring(
      runtime.disposeEffect.pipe(
        Effect.interruptible,
        Effect.disconnect,
        Effect.timeoutOption(budget)
      )
    )
  )
}).pipe(Effect.scoped)
