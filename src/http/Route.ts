/**
 * A route the front serves by itself, outside the HttpApi's router: for paths too hot for
 * it, and for bodies that are no JSON. What it accepts is still described in `Api.ts`.
 */
import type { IncomingMessage } from "node:http"
import type { Effect, Either, Exit } from "effect"
import type { Client } from "./ClientAddress.ts"
import type { RateLimitFields } from "./RateLimitFields.ts"
import type { Refusal } from "./Refusal.ts"
import type { Reply } from "./Reply.ts"

export type Method = "GET" | "POST" | "DELETE"

/** One request, as a route sees it. */
export interface Exchange {
  readonly request: IncomingMessage
  /** HEAD is served as GET; the front leaves the body out. */
  readonly method: Method
  /** The target up to the query, never decoded. */
  readonly path: string
  /** From the question mark on, or empty. */
  readonly query: string
  readonly client: Client
  /** Whoever charges a limit for this request tells it what is left; the answer says so. */
  readonly limits: RateLimitFields
  /** Names the request in logs and refusals. */
  readonly id: string
  /** Reads at most `cap` octets; longer, cut short or too slow a body is a refusal. */
  readonly body: (cap: number) => Effect.Effect<Buffer, Refusal>
}

/** An exchange for plain code. */
export interface PlainExchange extends Exchange {
  /** As `body`: calls `then` once, now or later, which keeps its defects to itself. */
  readonly withBody: (cap: number, then: (body: Either.Either<Buffer, Refusal>) => void) => void
}

/** Is told once what to answer, now or later, and never throws. */
export type Done = (outcome: Exit.Exit<Reply, Refusal>) => void

export interface Route {
  /** The template of the path: label of metrics and traces. */
  readonly template: string
  readonly matches: (path: string) => boolean
  readonly methods: ReadonlyArray<Method>
  readonly handle: (exchange: Exchange) => Effect.Effect<Reply, Refusal>
  /** Serves POST instead of `handle`, without a fiber: for what is asked so often that one costs more than the work. */
  readonly plainPost?: (exchange: PlainExchange, done: Done) => void
}
