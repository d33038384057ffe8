/**
 * `POST /v1/records`: many records in one request. Each is let in or refused as it would be alone,
 * by the same rules, limits and audit; all that are let in share a durable commit, and only then
 * is the request answered.
 */
import { Effect, Either, Exit } from "effect"
import { counterFamily } from "../runtime/Metrics.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import type { Applied, WriteRequest } from "../zone/WriteRequest.ts"
import { Authentication, type Writer } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import * as Publishing from "./Publishing.ts"
import { maxBatch, maxBatchBytes } from "./RecordsApi.ts"
import * as Refusal from "./Refusal.ts"
import { json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Route } from "./Route.ts"

const template = "/v1/records"

const count = counterFamily(
  "dmp_http_batch_records_total",
  "Records that came in batches, by result",
  "result",
  ["published", "refused"]
)

const notAList = Refusal.badRequest("invalid-types", "records (a list of 1 or more) required")
const nameMissing = Refusal.badRequest("invalid-types", "name (str) required")
const tooMany = (most: number) =>
  new Refusal.Refusal({
    status: 413,
    code: "batch-too-long",
    error: `a batch has at most ${most} records here`
  })

interface Outcome {
  readonly status: number
  readonly error?: string
  readonly code?: string
  readonly retry_after?: number
}

const published: Outcome = { status: 201 }

const outcomeOf = ({ code, error, headers, status }: Refusal.Refusal): Outcome => {
  const wait = headers?.["Retry-After"]
  return { status, error, code, ...(wait === undefined ? {} : { retry_after: Number(wait) }) }
}

interface Asked {
  readonly owner: string
  readonly request: WriteRequest
}

type Judged<A> = Either.Either<A, Refusal.Refusal>

/** What became of each: `written` is about those that were asked for rightly, in their order. */
const answer = (
  asked: ReadonlyArray<Judged<Asked>>,
  written: ReadonlyArray<Judged<Applied>>
): Reply => {
  const left = written.values()
  const results = asked.map((it): Outcome => {
    if (Either.isLeft(it)) return outcomeOf(it.left)
    const outcome = left.next().value
    return outcome !== undefined && Either.isLeft(outcome) ? outcomeOf(outcome.left) : published
  })
  const refused = results.filter((it) => it !== published).length
  count("published", results.length - refused)
  count("refused", refused)
  return json(refused === 0 ? 200 : 207, { published: results.length - refused, refused, results })
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

export const route = Effect.gen(function* () {
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit
  const limits = yield* Limits
  const publisher = yield* Publisher

  const requestFor = (writer: Writer, record: unknown): Effect.Effect<Asked, Refusal.Refusal> => {
    if (!isRecord(record) || typeof record["name"] !== "string") return Effect.fail(nameMissing)
    const owner = Publishing.spelled(record["name"])
    return Effect.flatMap(writer.grant(owner), (grant) =>
      Either.map(Publishing.changeOf(owner, record, limits), (change) => ({
        owner,
        request: { grant, changes: [change] }
      }))
    )
  }

  const handle = Effect.fnUntraced(function* (exchange: Exchange) {
    const limited = bucket.charge(exchange)
    if (limited !== undefined) return yield* limited
    const writer = yield* authentication.batchWriter({
      authorization: exchange.request.headers.authorization,
      limits: exchange.limits,
      remote: exchange.client.address
    })
    // Numbers with a fraction are looked at by the types alone: what else tells them apart costs
    // too much for a body of this length.
    const { records } = yield* jsonObject(yield* exchange.body(maxBatchBytes), "any")
    if (!Array.isArray(records) || records.length === 0) return yield* notAList
    const most = Math.min(maxBatch, writer.isOperator ? maxBatch : bucket.most(exchange))
    if (records.length > most) return yield* tooMany(most)
    const more = writer.isOperator ? 0 : records.length - 1
    const over = more === 0 ? undefined : bucket.charge(exchange, more, 1)
    if (over !== undefined) return yield* over

    const asked = yield* Effect.forEach(records, (record: unknown) =>
      Effect.either(requestFor(writer, record))
    )
    const admitted = asked.filter(Either.isRight).map(({ right }) => right)
    const exits = yield* publisher.applyEach(admitted.map(({ request }) => request))
    const written = yield* Effect.forEach(exits, (exit, at) =>
      // A defect is the whole request's.
      Exit.isSuccess(exit)
        ? Effect.succeed(Either.right(exit.value))
        : Effect.either(
            Exit.mapError(exit, (error) => Publishing.refusalOf(error, admitted[at]?.owner ?? ""))
          )
    )
    const trouble = written.flatMap((it) =>
      Either.isLeft(it) && it.left.trouble !== undefined ? [it.left] : []
    )
    const [first] = trouble
    // Nothing was published, and not for anything that was wrong with the records.
    if (first !== undefined && trouble.length === written.length) return yield* first
    if (first !== undefined)
      yield* Effect.logError(`${trouble.length} records of a batch: ${first.trouble}`)
    return answer(asked, written)
  })

  const route: Route = {
    template,
    matches: (path) => path === template,
    methods: ["POST"],
    handle
  }
  return route
})
