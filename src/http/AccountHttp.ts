/** `/v1/account`: what a user's token opens about its holder, and nothing about anybody else. */
import { Effect, Either, Option } from "effect"
import { Account } from "../auth/Account.ts"
import { auditEvents } from "../auth/AuditRow.ts"
import { selfService, type TokenRow } from "../auth/TokenRow.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { defaultEntries, maxEntries, maxNames } from "./AccountApi.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import * as Publishing from "./Publishing.ts"
import * as Refusal from "./Refusal.ts"
import { json, type Reply } from "./Reply.ts"
import type { Exchange, Route } from "./Route.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const bad = (error: string) => Refusal.badRequest("invalid-request", error)
const notOwn = Refusal.forbidden("the name is not one of your own")
const badNumbers = bad(
  `since and until are Unix seconds, limit a whole number from 1 to ${maxEntries}`
)
const badEvent = bad(`event must be one of ${auditEvents.join(", ")}`)

/** A whole number, or `fallback` when there is none. */
const whole = (
  text: string | null,
  fallback: number,
  max: number
): Either.Either<number, Refusal.Refusal> => {
  if (text === null) return Either.right(fallback)
  return /^[0-9]{1,12}$/.test(text) && Number(text) <= max
    ? Either.right(Number(text))
    : Either.left(badNumbers)
}

/** None where nobody has an account. */
export const routes = Effect.gen(function* () {
  const account = yield* Account
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit
  const clock = yield* Effect.clock
  const zone = yield* AnswerIndex
  const now = () => UnixTime.unsafeNow(clock)

  const facts = (row: TokenRow) =>
    Effect.mapBoth(account.owner(row), {
      onSuccess: (owner) =>
        json(200, {
          subject: row.subject,
          ed25519_spk: owner?.spk ?? row.registeredSpk,
          held_since: owner?.since ?? null,
          reserved_until: owner?.reservedUntil ?? null,
          token: {
            issued_at: row.issuedAt,
            expires_at: row.expiresAt,
            rate_per_sec: row.ratePerSec,
            rate_burst: row.rateBurst
          },
          names: account.names(row)
        }),
      onFailure: Refusal.storeUnavailable
    })

  const records = (row: TokenRow, query: URLSearchParams) =>
    Effect.gen(function* () {
      const asked = query.getAll("name")
      if (asked.length > maxNames) return yield* bad(`at most ${maxNames} names per request`)
      const names = asked.map((name) => Option.getOrUndefined(Name.parse(Publishing.spelled(name))))
      const own = names.flatMap((name) =>
        name !== undefined && account.owns(row, name) ? [name] : []
      )
      if (own.length < asked.length) return yield* notOwn
      const at = now()
      const found = (asked.length === 0 ? account.names(row) : own).flatMap((name) =>
        zone.live(name, at).map(({ expiresAt, value }) => ({
          name,
          value,
          expires_at: expiresAt,
          seconds_left: expiresAt - at
        }))
      )
      return json(200, { records: found })
    })

  const audit = (row: TokenRow, query: URLSearchParams) =>
    Effect.gen(function* () {
      const asked = query.get("event")
      const event = auditEvents.find((it) => it === asked)
      if (asked !== null && event === undefined) return yield* badEvent
      const limit = yield* whole(query.get("limit"), defaultEntries, maxEntries)
      if (limit < 1) return yield* badNumbers
      const rows = yield* Effect.mapError(
        account.audit(row, {
          limit,
          since: yield* whole(query.get("since"), 0, Infinity),
          until: yield* whole(query.get("until"), Number.MAX_SAFE_INTEGER, Infinity),
          ...(event === undefined ? {} : { event })
        }),
        Refusal.storeUnavailable
      )
      const entries = rows.map(({ detail, event, remoteAddr, tokenHash, ts }) => ({
        ts,
        event,
        token: tokenHash === null ? null : tokenHash.slice(0, 12),
        network: remoteAddr,
        // Beside what the operator issued stand notes of the operator's.
        detail: event === "issued" && !isOwn(detail) ? "by the operator" : detail
      }))
      return json(200, { entries })
    })

  const route = (
    template: string,
    show: (row: TokenRow, query: URLSearchParams) => Effect.Effect<Reply, Refusal.Refusal>
  ): Route => ({
    template,
    matches: (path) => path === template,
    methods: ["GET"],
    handle: (exchange: Exchange) =>
      Effect.suspend(() => {
        const limited = bucket.charge(exchange)
        return limited === undefined
          ? Effect.flatMap(
              authentication.user({
                authorization: exchange.request.headers.authorization,
                limits: exchange.limits,
                remote: exchange.client.address
              }),
              (row) => show(row, new URLSearchParams(exchange.query))
            )
          : Effect.fail(limited)
      })
  })

  return account.enabled
    ? [
        route("/v1/account", facts),
        route("/v1/account/records", records),
        route("/v1/account/audit", audit)
      ]
    : []
})

/** Of a token, or of a TSIG key, whose name follows. */
const isOwn = (detail: string | null): boolean =>
  detail === selfService || detail?.startsWith(`${selfService}: `) === true
