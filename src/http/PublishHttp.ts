/**
 * `POST /v1/records/{name}` as plain code from the headers to the answer: a fiber for each publish
 * cost more than all that is done here (`bench/publish.ts`). Every rule is a function that the
 * effects of the other routes call too; the order of checks is that of `RecordsHttp`.
 */
import { Cause, Effect, Either, Exit } from "effect"
import { contained } from "../runtime/Contained.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import { HttpConfig } from "./HttpConfig.ts"
import * as Publishing from "./Publishing.ts"
import { json } from "./Reply.ts"
import { type Body, jsonObject } from "./RequestBody.ts"
import type { Done, PlainExchange } from "./Route.ts"

const published = Exit.succeed(json(201, { ok: true }))

export const make = Effect.gen(function* () {
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit
  const limits = yield* Limits
  const publisher = yield* Publisher
  const bodyCap = Publishing.bodyCap(yield* HttpConfig, limits)

  return (exchange: PlainExchange, done: Done): void => {
    const limited = bucket.charge(exchange)
    if (limited !== undefined) return done(Exit.fail(limited))
    const owner = Publishing.ownerIn(exchange.path, exchange.query)
    const granted = authentication.writer({
      authorization: exchange.request.headers.authorization,
      limits: exchange.limits,
      operation: "publish",
      owner,
      remote: exchange.client.address
    })
    if (Either.isLeft(granted)) return done(Exit.fail(granted.left))
    const publish = (body: Body): void => {
      const payload = Either.flatMap(body, jsonObject)
      if (Either.isLeft(payload)) return done(Exit.fail(payload.left))
      const change = Publishing.changeOf(owner, payload.right, limits)
      if (Either.isLeft(change)) return done(Exit.fail(change.left))
      publisher.submit({ grant: granted.right, changes: [change.right] }, (exit) =>
        done(
          Exit.isSuccess(exit)
            ? published
            : Exit.failCause(Cause.map(exit.cause, (error) => Publishing.refusalOf(error, owner)))
        )
      )
    }
    exchange.withBody(bodyCap, (body) =>
      contained(
        () => publish(body),
        (defect) => done(Exit.die(defect))
      )
    )
  }
})
