/**
 * What every request goes through, whoever serves it: the concurrency gate, the client's
 * address, an id, the metrics and the access log. One request is one answer, counted once.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import {
  Cause,
  Context,
  Effect,
  Exit,
  FiberRef,
  FiberRefs,
  Layer,
  LogLevel,
  Option,
  Runtime
} from "effect"
import { contained } from "../runtime/Contained.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import * as Spans from "../runtime/Spans.ts"
import { networkOf } from "../runtime/TopTalkers.ts"
import { TrustedProxies } from "../runtime/TrustedProxies.ts"
import { ServedApi } from "./Api.ts"
import { ApiApp } from "./ApiApp.ts"
import * as ApiRequest from "./ApiRequest.ts"
import { type Client, clientOf, peerOf } from "./ClientAddress.ts"
import * as Dispatch from "./Dispatch.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import { HttpListeners } from "./HttpListeners.ts"
import { RateLimitFields } from "./RateLimitFields.ts"
import * as Refusal from "./Refusal.ts"
import { requestId } from "./RequestId.ts"
import * as RequestSpan from "./RequestSpan.ts"
import { commonHeaders, type Reply, write } from "./Reply.ts"
import * as RequestBody from "./RequestBody.ts"
import type { Exchange, Method } from "./Route.ts"
import { routes } from "./Routes.ts"
import * as SecurityReason from "./SecurityReason.ts"
import * as UntrustedForwarding from "./UntrustedForwarding.ts"

/** Served up to `headRoom` requests beyond the cap: who asks them must not be shut out by load. */
const essential = new Set(["/health", "/livez", "/readyz", "/metrics"])
const headRoom = 16

/** Milliseconds for a body: it holds a slot while it comes. */
const bodyPatience = 10_000

/** What is neither a route nor an endpoint. */
const other = { template: "other" }

const labels = new Set(["GET", "HEAD", "POST", "DELETE"])

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
      const patience = Math.min(bodyPatience, config.requestTimeout * 1000)
      const peers = new WeakMap<Socket, Client>()
      const peerBehind = (socket: Socket): Client => {
        const known = peers.get(socket)
        if (known !== undefined) return known
        const peer = peerOf(socket.remoteAddress)
        peers.set(socket, peer)
        return peer
      }

      const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
        const started = clock.unsafeCurrentTimeNanos()
        const peer = peerBehind(request.socket)
        const client = clientOf(peer, request.headers, trusts)
        noteForwarding(peer, request.headers)
        const { path, query } = Dispatch.split(request.url ?? "/")
        const target = dispatch(request.method ?? "", path)
        const template = "template" in target ? target.template : other.template
        const id = requestId(request, trusts(peer.address))
        const cap = config.maxConcurrency + (essential.has(template) ? headRoom : 0)
        const admitted = inFlight.size < cap
        const limits = new RateLimitFields()

        const place = inFlight.add(response)
        request.on("error", ignore)
        response.on("error", ignore)
        response.once("close", () => {
          inFlight.settle(place)
          // 499 as nginx counts it: the client left before there was an answer.
          const status = response.headersSent ? response.statusCode : 499
          const took = Number(clock.unsafeCurrentTimeNanos() - started) / 1e9
          const method = request.method ?? ""
          HttpMetrics.answered(labels.has(method) ? method : "OTHER", status, template, took)
          const reason = SecurityReason.of(status, template, request.headers.authorization)
          if (reason !== undefined) security.refused(reason, client.address, template)
          if (logsAccess)
            runFork(
              Effect.logDebug(`${client.address} "${method} ${request.url}" ${status}`).pipe(
                Effect.annotateLogs({
                  request_id: id,
                  route: template,
                  method,
                  status,
                  seconds: took,
                  network: networkOf(client.address)
                })
              )
            )
        })

        const answer = (reply: Reply) => {
          if (readiness.draining()) response.setHeader("Connection", "close")
          write(request, response, id, reply, limits)
          // Reading on to the end of an unwanted body is no work that should keep others out.
          if (!response.writableEnded) inFlight.settle(place)
        }
        const refuse = (refusal: Refusal.Refusal) => answer(Refusal.reply(refusal, id))

        if (!admitted) {
          HttpMetrics.shed("concurrency")
          return refuse(Refusal.overloaded)
        }
        // RFC 9112 §3.2.
        const hosts = hostLines(request.rawHeaders)
        if (hosts > 1 || (hosts === 0 && request.httpVersion === "1.1"))
          return refuse(Refusal.badRequest("no-host", "one Host header is required"))
        const { expect } = request.headers
        if (expect !== undefined && expect.toLowerCase() !== "100-continue")
          return refuse(Refusal.expectationFailed)
        if (target._tag === "NotFound") return refuse(Refusal.notFound)
        if (target._tag === "MethodNotAllowed")
          return refuse(Refusal.methodNotAllowed(target.allow))

        const exchange = (method: Method): Exchange => ({
          request,
          method,
          path,
          query,
          client,
          limits,
          id,
          body: (cap) => RequestBody.read(request, response, { cap, patience }),
          withBody: (cap, then) => RequestBody.take(request, response, { cap, patience }, then)
        })
        if (target._tag === "Api") {
          ApiRequest.register(exchange(request.method === "POST" ? "POST" : "GET"))
          for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value)
          response.setHeader("X-Request-Id", id)
          if (readiness.draining()) response.setHeader("Connection", "close")
          if (expect !== undefined) response.writeContinue()
          return apiHandler(request, response)
        }
        const direct = exchange(target.method)
        const { handle, plainPost } = target.route
        const conclude = (outcome: Exit.Exit<Reply, Refusal.Refusal>): void => {
          if (Exit.isSuccess(outcome)) return answer(outcome.value)
          const refusal = Cause.failureOption(outcome.cause)
          const trouble = Option.isSome(refusal)
            ? troubleOf(refusal.value)
            : Effect.logError("a request met a defect", outcome.cause)
          if (trouble !== undefined)
            runFork(Effect.annotateLogs(trouble, { request_id: id, route: template }))
          refuse(Option.getOrElse(refusal, () => Refusal.internal))
        }
        const finish = (outcome: Exit.Exit<Reply, Refusal.Refusal>): void =>
          contained(
            () => conclude(outcome),
            (defect) => conclude(Exit.die(defect))
          )
        if (plainPost !== undefined && target.method === "POST" && !tracing)
          return contained(
            () => plainPost(direct, finish),
            (defect) => finish(Exit.die(defect))
          )
        runFork(
          traced(
            direct,
            template,
            Effect.suspend(() => handle(direct))
          ).pipe(Effect.exit, Effect.map(finish))
        )
      }

      return Front.of({ onRequest })
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
  )
}

const ignore = () => {}

/** How many Host headers there are; node keeps the first of them only. */
const hostLines = (headers: ReadonlyArray<string>): number => {
  let count = 0
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at]?.length === 4 && headers[at]?.toLowerCase() === "host") count++
  return count
}

/** What the operator should know of a refusal that is this node's fault. */
const troubleOf = ({ error, trouble }: Refusal.Refusal): Effect.Effect<void> | undefined =>
  trouble === undefined ? undefined : Effect.logError(`${error}: ${trouble}`)
