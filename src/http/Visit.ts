/**
 * One request on its way through the front, from its headers to the end of its answer: the
 * exchange a route sees, and the one answer that is written, counted and logged. A class, because
 * a closure for each of these costs memory that waits for the commit with the request.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Cause, type Clock, Effect, Exit, type Fiber, Option } from "effect"
import { contained } from "../runtime/Contained.ts"
import type { Place } from "../runtime/Places.ts"
import type { SecurityLogShape } from "../runtime/SecurityLog.ts"
import { networkOf } from "../runtime/TopTalkers.ts"
import type { Client } from "./ClientAddress.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import type { InFlight } from "./InFlight.ts"
import { RateLimitFields } from "./RateLimitFields.ts"
import * as Refusal from "./Refusal.ts"
import { type Reply, write } from "./Reply.ts"
import * as RequestBody from "./RequestBody.ts"
import type { Method, PlainExchange } from "./Route.ts"
import * as SecurityReason from "./SecurityReason.ts"

/** What all requests of one front share. */
export interface House {
  readonly clock: Clock.Clock
  readonly draining: () => boolean
  readonly inFlight: InFlight
  readonly logsAccess: boolean
  /** Milliseconds for a body. */
  readonly patience: number
  readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly security: SecurityLogShape
}

export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: Method
  readonly path: string
  readonly query: string
  readonly client: Client
  readonly id: string
  /** Label of its metrics. */
  readonly template: string
  /** In nanoseconds of the clock. */
  readonly started: bigint
}

const labels = new Set(["GET", "HEAD", "POST", "DELETE"])

export class Visit implements PlainExchange {
  readonly request: IncomingMessage
  readonly method: Method
  readonly path: string
  readonly query: string
  readonly client: Client
  readonly limits = new RateLimitFields()
  readonly id: string
  readonly template: string
  readonly #house: House
  readonly #place: Place<ServerResponse>
  readonly #response: ServerResponse
  readonly #started: bigint

  constructor(house: House, arrival: Arrival) {
    this.request = arrival.request
    this.method = arrival.method
    this.path = arrival.path
    this.query = arrival.query
    this.client = arrival.client
    this.id = arrival.id
    this.template = arrival.template
    this.#house = house
    this.#response = arrival.response
    this.#started = arrival.started
    this.#place = house.inFlight.add(arrival.response)
    arrival.request.on("error", ignore)
    arrival.response.on("error", ignore).on("close", () => this.#closed())
  }

  body(cap: number): Effect.Effect<Buffer, Refusal.Refusal> {
    const { patience } = this.#house
    return RequestBody.read(this.request, this.#response, { cap, patience })
  }

  withBody(cap: number, then: (body: RequestBody.Body) => void): void {
    const { patience } = this.#house
    RequestBody.take(this.request, this.#response, { cap, patience }, then)
  }

  answer(reply: Reply): void {
    const response = this.#response
    const { draining, inFlight } = this.#house
    if (draining()) response.setHeader("Connection", "close")
    write(this.request, response, this.id, reply, this.limits)
    // Reading on to the end of an unwanted body is no work that should keep others out.
    if (!response.writableEnded) inFlight.settle(this.#place)
  }

  refuse(refusal: Refusal.Refusal): void {
    this.answer(Refusal.reply(refusal, this.id))
  }

  /** Answers with what a route made of the request; never throws over what that is. */
  finish(outcome: Exit.Exit<Reply, Refusal.Refusal>): void {
    contained(
      () => this.#conclude(outcome),
      (defect) => this.#conclude(Exit.die(defect))
    )
  }

  #conclude(outcome: Exit.Exit<Reply, Refusal.Refusal>): void {
    if (Exit.isSuccess(outcome)) return this.answer(outcome.value)
    const refusal = Cause.failureOption(outcome.cause)
    const trouble = Option.isSome(refusal)
      ? troubleOf(refusal.value)
      : Effect.logError("a request met a defect", outcome.cause)
    if (trouble !== undefined)
      this.#house.runFork(
        Effect.annotateLogs(trouble, { request_id: this.id, route: this.template })
      )
    this.refuse(Option.getOrElse(refusal, () => Refusal.internal))
  }

  #closed(): void {
    const { clock, inFlight, logsAccess, security } = this.#house
    const response = this.#response
    inFlight.settle(this.#place)
    // 499 as nginx counts it: the client left before there was an answer.
    const status = response.headersSent ? response.statusCode : 499
    const took = Number(clock.unsafeCurrentTimeNanos() - this.#started) / 1e9
    const method = this.request.method ?? ""
    HttpMetrics.answered(labels.has(method) ? method : "OTHER", status, this.template, took)
    const { authorization } = this.request.headers
    const reason = SecurityReason.of(status, this.template, authorization)
    if (reason !== undefined) security.refused(reason, this.client.address, this.template)
    if (logsAccess) this.#log(method, status, took)
  }

  #log(method: string, status: number, took: number): void {
    const { address } = this.client
    this.#house.runFork(
      Effect.logDebug(`${address} "${method} ${this.request.url}" ${status}`).pipe(
        Effect.annotateLogs({
          request_id: this.id,
          route: this.template,
          method,
          status,
          seconds: took,
          network: networkOf(address)
        })
      )
    )
  }
}

const ignore = () => {}

/** What the operator should know of a refusal that is this node's fault. */
const troubleOf = ({ error, trouble }: Refusal.Refusal): Effect.Effect<void> | undefined =>
  trouble === undefined ? undefined : Effect.logError(`${error}: ${trouble}`)
