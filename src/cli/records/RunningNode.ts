/**
 * A running node as the place records are imported into: batches over its HTTP API. Waits when it
 * is told to, as `Retry-After` says, and never sends faster than it is let.
 */
import { Duration, Effect, Option, Redacted, Schema } from "effect"
import { BatchOutcome } from "../../http/RecordsApi.ts"
import { failed } from "../AdminFailure.ts"
import type { Outcome, Target, Wanted } from "./Targets.ts"

const decodeOutcome = Schema.decodeUnknown(Schema.parseJson(BatchOutcome))
const decodeProblem = Schema.decodeUnknownOption(
  Schema.parseJson(Schema.Struct({ error: Schema.String, code: Schema.String }))
)

/** Milliseconds for one answer. */
const patience = 30_000
/** Refusals in a row, for its load or its limits, after which a node is given up. */
const maxWaits = 100
/** Seconds, at most, of one wait. */
const longestWait = 120

interface Answer {
  readonly status: number
  readonly retryAfter: number
  readonly body: string
}

const waitOf = (text: string | null | undefined): number =>
  /^[0-9]{1,6}$/.test(text ?? "") ? Math.min(longestWait, Math.max(1, Number(text))) : 1

const worthAgain = (status: number): boolean => status === 429 || status === 503

export const make = (options: {
  /** Without a trailing slash. */
  readonly url: string
  readonly token: Option.Option<Redacted.Redacted>
  /** Told before each wait. */
  readonly waiting: (seconds: number) => Effect.Effect<void>
}): Target => {
  const { token, url, waiting } = options
  const headers = {
    "Content-Type": "application/json",
    ...(Option.isSome(token) ? { Authorization: `Bearer ${Redacted.value(token.value)}` } : {})
  }

  const send = (records: ReadonlyArray<Wanted>): Effect.Effect<Answer, ReturnType<typeof failed>> =>
    Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(`${url}/v1/records`, {
          method: "POST",
          headers,
          body: JSON.stringify({ records }),
          redirect: "error",
          signal: AbortSignal.any([signal, AbortSignal.timeout(patience)])
        })
        return {
          status: response.status,
          retryAfter: waitOf(response.headers.get("retry-after")),
          body: await response.text()
        }
      },
      catch: (error) => failed(`error: ${url} does not answer: ${causeOf(error)}`)
    })

  const pause = (seconds: number) =>
    Effect.zipRight(waiting(seconds), Effect.sleep(Duration.seconds(seconds)))

  const publish = (
    records: ReadonlyArray<Wanted>,
    waits = 0
  ): Effect.Effect<ReadonlyArray<Outcome>, ReturnType<typeof failed>> =>
    Effect.gen(function* () {
      const { body, retryAfter, status } = yield* send(records)
      if (worthAgain(status) && waits < maxWaits)
        return yield* Effect.zipRight(pause(retryAfter), publish(records, waits + 1))
      const problem = Option.getOrUndefined(decodeProblem(body))
      if (status === 413 && problem?.code === "batch-too-long" && records.length > 1) {
        const half = records.length >> 1
        const first = yield* publish(records.slice(0, half))
        return [...first, ...(yield* publish(records.slice(half)))]
      }
      if (status !== 200 && status !== 207)
        return yield* failed(
          `error: ${url} answers ${status}${problem === undefined ? "" : `: ${problem.error}`}` +
            (status === 404 ? " (a node of an older release takes no batches)" : "")
        )
      const { results } = yield* Effect.mapError(decodeOutcome(body), () =>
        failed(`error: ${url} does not answer as a node does`)
      )
      const again = records.filter((_, at) => worthAgain(results[at]?.status ?? 0))
      const later =
        again.length > 0 && waits < maxWaits
          ? yield* Effect.zipRight(
              pause(Math.max(1, ...results.map(({ retry_after }) => waitOf(String(retry_after))))),
              publish(again, waits + 1)
            )
          : undefined
      const left = later?.values()
      return records.map((_, at): Outcome => {
        const result = results[at]
        if (result?.status === 201) return undefined
        if (left !== undefined && worthAgain(result?.status ?? 0)) return left.next().value
        return { code: result?.code ?? "unknown", error: result?.error ?? "no outcome was told" }
      })
    })
  return { where: url, publish: (records) => publish(records) }
}

/** What lies under fetch's own words. */
const causeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
