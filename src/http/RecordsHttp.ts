/**
 * `/v1/records/{name}`: withdraw and read over HTTP, beside `PublishHttp`. Order of checks: bucket,
 * credentials, body, types, then the publisher's rules; a client sees the first that fails.
 */
import { Effect, Option } from "effect"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import type { WriteGrant } from "../zone/WriteGrant.ts"
import type { Applied, Change } from "../zone/WriteRequest.ts"
import * as Name from "../wire/Name.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as PublishHttp from "./PublishHttp.ts"
import * as Publishing from "./Publishing.ts"
import * as Refusal from "./Refusal.ts"
import { empty, json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Route } from "./Route.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const template = "/v1/records/{name}"
const shape = /^\/v1\/records\/[^/]+\/?$/

// What no release could ever hold; more than that may stand in an old database.
const neverHeld = /"|(?![\x80-\x9f])\p{Cc}/u

const withdrawn = empty(204)
const nothingThere = empty(404)
const invalidValue = Refusal.badRequest("invalid-value", "invalid record value")

/** Needs what publishing needs; nothing else on this route is configurable. */
export const route = Effect.gen(function* () {
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit
  const clock = yield* Effect.clock
  const publisher = yield* Publisher
  const zone = yield* AnswerIndex
  const publish = yield* PublishHttp.make
  const bodyCap = Publishing.bodyCap(yield* HttpConfig, yield* Limits)

  const apply = (
    change: Change,
    owner: string,
    grant: WriteGrant
  ): Effect.Effect<Applied, Refusal.Refusal> =>
    Effect.mapError(publisher.apply({ grant, changes: [change] }), (error) =>
      Publishing.refusalOf(error, owner)
    )

  const withdraw = Effect.fnUntraced(function* (exchange: Exchange, owner: string) {
    const granted = yield* authentication.writer({
      authorization: exchange.request.headers.authorization,
      limits: exchange.limits,
      operation: "delete",
      owner,
      remote: exchange.client.address
    })
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
    const owner = Publishing.ownerIn(exchange.path, exchange.query)
    return exchange.method === "GET" ? read(exchange, owner) : withdraw(exchange, owner)
  }

  const route: Route = {
    template,
    matches: (path) => shape.test(path),
    methods: ["GET", "POST", "DELETE"],
    handle,
    plainPost: publish
  }
  return route
})
