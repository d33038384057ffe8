/** `ServedApi` as one function over node's request and response. */
import type { IncomingMessage, ServerResponse } from "node:http"
import {
  FileSystem,
  HttpApiBuilder,
  HttpApiError,
  HttpIncomingMessage,
  HttpMiddleware,
  HttpServerRequest
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Cause, Context, Effect, Layer, Option } from "effect"
import { ServedApi } from "./Api.ts"
import { refuse } from "./ApiRequest.ts"
import { HttpConfig } from "./HttpConfig.ts"
import { tracing } from "../runtime/Spans.ts"
import * as OpsHttp from "./OpsHttp.ts"
import { internal, invalidBody } from "./Refusal.ts"

/** The handlers of every group of `ServedApi`. */
export const handlers = Layer.mergeAll(OpsHttp.layer)

// Innermost, so it sees failures before the platform gives them a shape of its own.
const oneErrorShape = HttpApiBuilder.middleware((app) =>
  Effect.catchAllCause(app, (cause) => {
    const failure: Option.Option<unknown> = Cause.failureOption(cause)
    if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
    return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (Option.isNone(failure))
        return Effect.as(
          Effect.logError("an HTTP handler met a defect", cause),
          refuse(request, internal)
        )
      return failure.value instanceof HttpApiError.HttpApiDecodeError
        ? Effect.succeed(refuse(request, invalidBody("invalid-request")))
        : Effect.failCause(cause)
    })
  })
)

export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void

export class ApiApp extends Context.Tag("dnsmesh/http/ApiApp")<ApiApp, NodeHandler>() {
  /** Needs what the handlers need. */
  static readonly layer = Layer.effect(
    ApiApp,
    Effect.gen(function* () {
      const { maxBodyBytes } = yield* HttpConfig
      const listening = yield* tracing
      const app = Effect.provideService(
        yield* HttpApiBuilder.httpApp,
        HttpIncomingMessage.MaxBodySize,
        Option.some(FileSystem.Size(maxBodyBytes))
      )
      return yield* NodeHttpServer.makeHandler(app).pipe(
        Effect.locally(HttpMiddleware.currentTracerDisabledWhen, () => !listening)
      )
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  ).pipe(
    Layer.provide(HttpApiBuilder.api(ServedApi)),
    Layer.provide(handlers),
    Layer.provide(oneErrorShape),
    Layer.provide([HttpApiBuilder.Router.Live, HttpApiBuilder.Middleware.layer]),
    Layer.provide(NodeHttpServer.layerContext)
  )
}
