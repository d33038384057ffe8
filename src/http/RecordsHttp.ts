/**
 * `/v1/records/{name}`: publish, withdraw and read over HTTP. Order of checks: bucket,
 * credentials, body, types, then the publisher's rules; a client sees the first that fails.
 */
import { Effect, Either, Option } from "effect"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import type { Applied, Change } from "../zone/WriteRequest.ts"
import * as Name from "../wire/Name.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as Publishing from "./Publishing.ts"
import * as Refusal from "./Refusal.ts"
import { empty, json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Route } from "./Route.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const template = "/v1/records/{name}"
const shape = /^\/v1\/records\/[^/]+\/?$/

/** The owner name as the client spelled it: decoded, trimmed, without trailing dots. */
export const ownerIn = (path: string, query: string): string => {
  // A query belongs to no record: kept, it makes the name invalid instead of going unnoticed.
  const segment = path.slice("/v1/records/".length).replace(/\/$/, "") + query
  return Either.try(() => decodeURIComponent(segment)).pipe(
    Either.getOrElse(() => segment),
    Publishing.spelled
  )
}

// What no release could ever hold; more than that may stand in an old database.
const neverHeld = /"|(?![\x80-\x9f])\p{Cc}/u

const published = json(201, { ok: true })
const withdrawn = empty(204)
const nothingThere = empty(404)
const invalidValue = Refusal.badRequest("invalid-value", "invalid record value")

/** Needs what publishing needs; nothing else on this route is configurable. */
export const route = Effect.gen(function* () {
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit
  const clock = yield* Effect.clock
  const limits = yield* Limits
  const publisher = yield* Publisher
  const zone = yield* AnswerIndex
  // A single value may fill an RRset; around it stand JSON and the TTL.
  const bodyCap = Math.max((yield* HttpConfig).maxBodyBytes, limits.maxRrsetBytes + 1024)

  const grant = (exchange: Exchange, operation: "publish" | "delete", owner: string) =>
    authentication.writer({
      authorization: exchange.request.headers.authorization,
      limits: exchange.limits,
      operation,
      owner,
      remote: exchange.client.address
    })

  const apply = (
    change: Change,
    owner: string,
    granted: Effect.Effect.Success<ReturnType<typeof grant>>
  ): Effect.Effect<Applied, Refusal.Refusal> =>
    Effect.mapError(publisher.apply({ grant: granted, changes: [change] }), (error) =>
      Publishing.refusalOf(error, owner)
    )

  const publish = Effect.fnUntraced(function* (exchange: Exchange, owner: string) {
    const granted = yield* grant(exchange, "publish", owner)
    const body = yield* jsonObject(yield* exchange.body(bodyCap))
    yield* apply(yield* Publishing.changeOf(owner, body, limits), owner, granted)
    return published
  })

  const withdraw = Effect.fnUntraced(function* (exchange: Exchange, owner: string) {
    const granted = yield* grant(exchange, "delete", owner)
    const name = Name.parse(owner)
    if (Option.isNone(name)) return yield* Publishing.invalidName
    const { value } = yield* jsonObject(yield* exchange.body(bodyCap))
    if (value === undefined || value === null) {
      const { removed } = yield* apply({ _tag: "DeleteRrset", owner: name.value }, owner, granted)
      return removed > 0 ? withdrawn : nothingThere
    }
    if (typeof value !== "string" || neverHeld.test(value)) return yield* invalidValue
    const change = { _tag: "DeleteValue", owner: name.value, value } as const
    const { removed } = yield* apply(change, owner, granted)
    return removed > 0 ? withdrawn : nothingThere
  })

  const read = (exchange: Exchange, owner: string): Effect.Effect<Reply, Refusal.Refusal> => {
    const refusal = authentication.operatorOnly(exchange.request.headers.authorization)
    if (refusal !== undefined) return Effect.fail(refusal)
    const now = UnixTime.unsafeNow(clock)
    const values = Option.match(Name.parse(owner), {
      onNone: () => [],
      onSome: (name) => zone.live(name, now).map(({ value }) => value)
    })
    return Effect.succeed(json(values.length > 0 ? 200 : 404, { name: owner, values }))
  }

  const handle = (exchange: Exchange): Effect.Effect<Reply, Refusal.Refusal> => {
    const limited = bucket.charge(exchange)
    if (limited !== undefined) return Effect.fail(limited)
    const owner = ownerIn(exchange.path, exchange.query)
    switch (exchange.method) {
      case "GET":
        return read(exchange, owner)
      case "POST":
        return publish(exchange, owner)
      case "DELETE":
        return withdraw(exchange, owner)
    }
  }

  const route: Route = {
    template,
    matches: (path) => shape.test(path),
    methods: ["GET", "POST", "DELETE"],
    handle
  }
  return route
})
