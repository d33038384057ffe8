import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Layer, Option } from "effect"
import { createServer } from "node:http"
import * as Tracing from "../../src/runtime/Tracing.ts"
import { TracingConfig } from "../../src/runtime/TracingConfig.ts"

const tracing = (environment: Record<string, string>) =>
  Tracing.layer({ version: "1.2.3", exportInterval: 50 }).pipe(
    Layer.provide(TracingConfig.layer),
    Layer.provide(
      Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
    )
  )

interface Received {
  readonly url: string | undefined
  readonly authorization: string | undefined
  readonly body: string
}

/** A collector that remembers the first request it gets. */
const collector = Effect.gen(function* () {
  const received = yield* Deferred.make<Received>()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => void chunks.push(chunk))
    request.on("end", () => {
      response.end("{}")
      Deferred.unsafeDone(
        received,
        Effect.succeed({
          url: request.url,
          authorization: request.headers.authorization,
          body: Buffer.concat(chunks).toString()
        })
      )
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          typeof address === "object" && address !== null
            ? Effect.succeed(address.port)
            : Effect.die("no port")
        )
      })
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  return { port, received: Deferred.await(received) }
})

const program = Effect.withSpan(Effect.void, "Publisher.apply", { attributes: { changes: 2 } })

describe("Tracing", () => {
  it.scopedLive("sends spans to the collector's v1/traces, with its headers", () =>
    Effect.gen(function* () {
      const { port, received } = yield* collector
      const { url, authorization, body } = yield* Effect.zipRight(program, received).pipe(
        Effect.provide(
          tracing({
            OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/otlp/`,
            OTEL_EXPORTER_OTLP_HEADERS: "x-scope=a, authorization=Basic Zm9v="
          })
        ),
        Effect.timeout("5 seconds")
      )
      assert.strictEqual(url, "/otlp/v1/traces")
      assert.strictEqual(authorization, "Basic Zm9v=")
      for (const part of ["Publisher.apply", "changes", "dnsmesh-node", "1.2.3"])
        assert.include(body, part)
    })
  )

  it.scopedLive("sends what is left when the node stops", () =>
    Effect.gen(function* () {
      const { port, received } = yield* collector
      const layer = Tracing.layer({ version: "1.2.3", exportInterval: 60_000 }).pipe(
        Layer.provide(
          Layer.succeed(TracingConfig, {
            endpoint: Option.some(new URL(`http://127.0.0.1:${port}`)),
            headers: Option.none(),
            serviceName: "node"
          })
        )
      )
      yield* Effect.provide(program, layer)
      assert.include((yield* Effect.timeout(received, "5 seconds")).body, "Publisher.apply")
    })
  )

  it.live("neither fails nor holds up work when the collector is away", () =>
    program.pipe(
      Effect.provide(tracing({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" })),
      Effect.timeout("4 seconds")
    )
  )

  it.effect("leaves Effect's own tracer in place without an endpoint", () =>
    Effect.gen(function* () {
      const before = yield* Effect.tracer
      const during = yield* Effect.provide(Effect.tracer, tracing({}))
      assert.strictEqual(during, before)
    })
  )

  it.effect.each(["ftp://x", "not a url", "http://user:pw@collector:4318", "collector:4318"])(
    "refuses %j for an endpoint",
    (url) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          Layer.launch(tracing({ OTEL_EXPORTER_OTLP_ENDPOINT: url })).pipe(
            Effect.timeout("1 second")
          )
        )
        assert.include(String(error), "OTEL_EXPORTER_OTLP_ENDPOINT")
      })
  )
})
