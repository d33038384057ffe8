/**
 * What every request goes through, whoever serves it: the concurrency gate, the client's
 * address, an id, the metrics and the access log. One request is one answer, counted once.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Context, Effect, Exit, FiberRef, FiberRefs, Layer, LogLevel, Runtime } from "effect"
import { contained } from "../runtime/Contained.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import * as Spans from "../runtime/Spans.ts"
import { TrustedProxies } from "../runtime/TrustedProxies.ts"
import { ServedApi } from "./Api.ts"
import { ApiApp } from "./ApiApp.ts"
import * as ApiRequest from "./ApiRequest.ts"
import { clientOf, type Peer, peerAt } from "./ClientAddress.ts"
import * as Dispatch from "./Dispatch.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import { HttpListeners } from "./HttpListeners.ts"
import * as Refusal from "./Refusal.ts"
import { requestId } from "./RequestId.ts"
import * as RequestSpan from "./RequestSpan.ts"
import { commonHeaders, type Reply } from "./Reply.ts"
import { routes } from "./Routes.ts"
import * as UntrustedForwarding from "./UntrustedForwarding.ts"
import { type House, Visit } from "./Visit.ts"

/** Served up to `headRoom` requests beyond the cap: who asks them must not be shut out by load. */
const essential = new Set(["/health", "/livez", "/readyz", "/metrics"])
const headRoom = 16

/** Milliseconds for a body: it holds a slot while it comes. */
const bodyPatience = 10_000

/** What is neither a route nor an endpoint. */
const other = { template: "other" }

export class Front extends Context.Tag("dnsmesh/http/Front")<
  Front,
  {
    readonly onRequest: RequestListener
  }
>() {
  static readonly layer = Layer.effect(
    Front,
    Effect.gen(function* () {
      const apiHandler = yield* ApiApp
      const config = yield* HttpConfig
      const { inFlight } = yield* HttpListeners
      const readiness = yield* Readiness
      const security = yield* SecurityLog
      const trusts = yield* TrustedProxies
      const noteForwarding = yield* UntrustedForwarding.make
      const clock = yield* Effect.clock
      const runtime = yield* Effect.runtime<never>()
      const runFork = Runtime.runFork(runtime)
      const ownRoutes = yield* routes
      const tracing = yield* Spans.tracing
      const traced = yield* RequestSpan.make
      const served = Dispatch.apiRoutes(ServedApi)
      const dispatch = Dispatch.make(served, ownRoutes)
      HttpMetrics.register([...ownRoutes, ...served, other].map(({ template }) => template))
      const logsAccess = LogLevel.lessThanEqual(
        FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentMinimumLogLevel),
        LogLevel.Debug
      )
      const house: House = {
        clock,
        draining: readiness.draining,
        inFlight,
        logsAccess,
        patience: Math.min(bodyPatience, config.requestTimeout * 1000),
        runFork,
        security
      }
      const peers = new WeakMap<Socket, Peer>()
      const peerBehind = (socket: Socket): Peer => {
        const known = peers.get(socket)
        if (known !== undefined) return known
        const peer = peerAt(socket.remoteAddress, trusts)
        peers.set(socket, peer)
        return peer
      }

      const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
        const started = clock.unsafeCurrentTimeNanos()
        const peer = peerBehind(request.socket)
        noteForwarding(peer, request.headers)
        const { path, query } = Dispatch.split(request.url ?? "/")
        const target = dispatch(request.method ?? "", path)
        const template = "template" in target ? target.template : other.template
        const cap = config.maxConcurrency + (essential.has(template) ? headRoom : 0)
        const admitted = inFlight.size < cap
        const visit = new Visit(house, {
          request,
          response,
          method: request.method === "POST" || request.method === "DELETE" ? request.method : "GET",
          path,
          query,
          client: clientOf(peer, request.headers, trusts),
          id: requestId(request, peer.trusted),
          template,
          started
        })

        if (!admitted) {
          HttpMetrics.shed("concurrency")
          return visit.refuse(Refusal.overloaded)
        }
        // RFC 9112 §3.2.
        const hosts = hostLines(request.rawHeaders)
        if (hosts > 1 || (hosts === 0 && request.httpVersion === "1.1"))
          return visit.refuse(Refusal.badRequest("no-host", "one Host header is required"))
        const { expect } = request.headers
        if (expect !== undefined && expect.toLowerCase() !== "100-continue")
          return visit.refuse(Refusal.expectationFailed)
        if (target._tag === "NotFound") return visit.refuse(Refusal.notFound)
        if (target._tag === "MethodNotAllowed")
          return visit.refuse(Refusal.methodNotAllowed(target.allow))

        if (target._tag === "Api") {
          ApiRequest.register(visit)
          for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value)
          response.setHeader("X-Request-Id", visit.id)
          if (readiness.draining()) response.setHeader("Connection", "close")
          if (expect !== undefined) response.writeContinue()
          return apiHandler(request, response)
        }
        const { route } = target
        const plain = visit.method === "POST" ? route.plainPost : undefined
        if (plain !== undefined && !tracing)
          return contained(
            () => plain(visit, (outcome) => visit.finish(outcome)),
            (defect) => visit.finish(Exit.die(defect))
          )
        // A span is held by a fiber.
        const handled: Effect.Effect<Reply, Refusal.Refusal> =
          plain === undefined
            ? Effect.suspend(() => route.handle(visit))
            : Effect.async((resume) => plain(visit, resume))
        runFork(
          traced(visit, template, handled).pipe(
            Effect.exit,
            Effect.map((outcome) => visit.finish(outcome))
          )
        )
      }

      return Front.of({ onRequest })
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  )
}

/** How many Host headers there are; node keeps the first of them only. */
const hostLines = (headers: ReadonlyArray<string>): number => {
  let count = 0
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at]?.length === 4 && headers[at]?.toLowerCase() === "host") count++
  return count
}
