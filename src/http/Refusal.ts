/**
 * Why a request is not answered with what it asked for. Every refusal of this front has
 * one shape: `{"error", "code", "request_id", …}`; `error` is what clients print.
 */
import { HttpApiSchema } from "@effect/platform"
import { Data, Schema } from "effect"
import type { LimitExceeded } from "../zone/Limits.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Reply } from "./Reply.ts"

/** The body of every refusal. */
export const Problem = Schema.Struct({
  error: Schema.String.annotations({ description: "What is wrong, for people." }),
  code: Schema.String.annotations({ description: "What is wrong, for programs; stable." }),
  request_id: Schema.String.annotations({ description: "Names this request in the node's log." })
}).annotations({ identifier: "Problem", description: "Why a request was refused." })

/** For descriptions: a `Problem` under any of these statuses. */
export const problems = (...statuses: ReadonlyArray<number>) =>
  Schema.Union(
    ...statuses.map((status) => Problem.annotations(HttpApiSchema.annotations({ status })))
  )

export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly code: string
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
  /** For the log alone. */
  readonly trouble?: string
  /** Further members of the body. */
  readonly details?: Readonly<Record<string, unknown>>
}> {}

/** `refusal` as the answer to the request with id `requestId`. */
export const reply = (refusal: Refusal, requestId: string): Reply => ({
  status: refusal.status,
  contentType: "application/json",
  ...(refusal.headers === undefined ? {} : { headers: refusal.headers }),
  body: JSON.stringify({
    error: refusal.error,
    code: refusal.code,
    request_id: requestId,
    ...refusal.details
  })
})

const retryAfter = (seconds: number) => ({ "Retry-After": String(Math.max(1, Math.ceil(seconds))) })

export const notFound = new Refusal({ status: 404, code: "not-found", error: "not found" })

export const methodNotAllowed = (allow: string): Refusal =>
  new Refusal({
    status: 405,
    code: "method-not-allowed",
    error: "method not allowed",
    headers: { Allow: allow }
  })

export const unauthorized = new Refusal({
  status: 401,
  code: "unauthorized",
  error: "unauthorized",
  headers: { "WWW-Authenticate": 'Bearer realm="dnsmesh"' }
})

export const forbidden = (reason: string): Refusal =>
  new Refusal({ status: 403, code: "forbidden", error: reason })

/** `seconds` until it is worth asking again. */
export const rateLimited = (error: string, seconds: number): Refusal =>
  new Refusal({ status: 429, code: "rate-limited", error, headers: retryAfter(seconds) })

export const invalidBody = (code = "invalid-body"): Refusal =>
  new Refusal({ status: 400, code, error: "invalid body" })

export const requestTimeout = new Refusal({
  status: 408,
  code: "request-timeout",
  error: "request timeout",
  // What is still missing of this request would be read as the next one (RFC 9110 §15.5.9).
  headers: { Connection: "close" }
})

export const expectationFailed = new Refusal({
  status: 417,
  code: "expectation-failed",
  error: "expectation failed"
})

export const headersTooLarge = new Refusal({
  status: 431,
  code: "headers-too-large",
  error: "request headers too large"
})

export const badRequest = (code: string, error: string): Refusal =>
  new Refusal({ status: 400, code, error })

export const overloaded = new Refusal({
  status: 503,
  code: "overloaded",
  error: "too many requests in flight",
  headers: retryAfter(1)
})

export const internal = new Refusal({
  status: 500,
  code: "internal-error",
  error: "internal error"
})

/** The store's own message stays in the log: it may name files. */
export const storeUnavailable = (error: StoreError): Refusal =>
  new Refusal({
    status: 503,
    code: "store-unavailable",
    error: `store unavailable: ${error.reason}`,
    headers: retryAfter(error.reason === "locked" ? 1 : 10),
    trouble: error.message,
    details: { reason: error.reason }
  })

/** `owner` as the client spelled it. */
export const limitExceeded = ({ limit, cap }: LimitExceeded, owner: string): Refusal => {
  switch (limit) {
    case "ttl":
      return badRequest("ttl-too-long", `ttl exceeds cap of ${cap}s`)
    case "value-bytes":
      return badRequest("value-too-long", `value exceeds cap of ${cap} bytes`)
    case "value-characters":
      return badRequest("invalid-value", "invalid record value")
    case "values-per-name":
      return new Refusal({
        status: 413,
        code: "rrset-full",
        error: `RRset at ${owner} already holds ${cap} values`
      })
    case "values-per-writer":
      return new Refusal({
        status: 413,
        code: "share-used-up",
        error: `RRset at ${owner} already holds ${cap} values of yours`
      })
    case "records":
      return new Refusal({
        status: 507,
        code: "node-full",
        error: `the node already holds ${cap} records`
      })
    case "memory":
      return new Refusal({
        status: 507,
        code: "node-full",
        error: "the node has no memory left for more records"
      })
    case "rrset-bytes":
      return new Refusal({
        status: 413,
        code: "rrset-too-large",
        error: `RRset at ${owner} would exceed ${cap} bytes`
      })
  }
}
