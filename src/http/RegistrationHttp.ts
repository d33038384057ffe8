/**
 * The three registration routes. Each step has a bucket of its own per client address, spent
 * before anything is read; secrets are answered once and never cached.
 */
import { Effect, Redacted } from "effect"
import * as AuthMetrics from "../auth/AuthMetrics.ts"
import { Registration } from "../auth/Registration.ts"
import type { RefusalReason, RegistrationRefused } from "../auth/RegistrationChecks.ts"
import type { Fields } from "../auth/RegistrationRequest.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import * as Refusal from "./Refusal.ts"
import { json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Route } from "./Route.ts"

const bodyCap = 16_384

const statusOf: Record<RefusalReason, number> = {
  malformed: 400,
  "challenge-unknown": 400,
  "bad-signature": 401,
  "bad-proof": 401,
  "not-allowed": 403,
  banned: 403,
  taken: 409
}

const refusalOf = (error: RegistrationRefused | StoreError): Refusal.Refusal =>
  error._tag === "StoreError"
    ? Refusal.storeUnavailable(error)
    : new Refusal.Refusal({
        status: statusOf[error.reason],
        code: error.reason,
        error: error.message
      })

const tsigDisabled = new Refusal.Refusal({
  status: 404,
  code: "tsig-registration-disabled",
  error: "tsig registration disabled"
})

const refusedAs = (result: AuthMetrics.RegistrationResult, refusal: Refusal.Refusal) =>
  Effect.zipRight(AuthMetrics.countRegistration(result), Effect.fail(refusal))

export const routes = Effect.gen(function* () {
  const registration = yield* Registration
  const talkers = yield* TopTalkers

  const step = (
    template: string,
    method: "GET" | "POST",
    handle: (exchange: Exchange) => Effect.Effect<Reply, Refusal.Refusal>,
    absent: Refusal.Refusal | undefined
  ): Effect.Effect<Route> =>
    Effect.map(RateLimiter.make(registration.limits), (limiter) => ({
      template,
      matches: (path) => path === template && registration.enabled,
      methods: [method],
      handle: (exchange) =>
        Effect.suspend(() => {
          if (absent !== undefined) return refusedAs("disabled", absent)
          const { address, limiterKey } = exchange.client
          const allowed = limiter.allow(limiterKey)
          exchange.limits.tell("registration", limiter.standing(limiterKey))
          if (allowed) return handle(exchange)
          talkers.refused("registration", address)
          return refusedAs(
            "rate-limited",
            Refusal.rateLimited("registration rate limit exceeded", limiter.retryAfter(limiterKey))
          )
        })
    }))

  const confirm =
    <A>(
      register: (
        fields: Fields,
        remote: string
      ) => Effect.Effect<A, RegistrationRefused | StoreError>,
      body: (issued: A) => unknown
    ) =>
    (exchange: Exchange): Effect.Effect<Reply, Refusal.Refusal> =>
      exchange.body(bodyCap).pipe(
        Effect.flatMap(jsonObject),
        Effect.tapError(() => AuthMetrics.countRegistration("malformed")),
        Effect.flatMap((fields) =>
          Effect.mapError(register(fields, exchange.client.address), refusalOf)
        ),
        Effect.map((issued) => json(200, body(issued)))
      )

  return yield* Effect.all([
    step(
      "/v1/registration/challenge",
      "GET",
      () =>
        Effect.map(registration.challenge, (issued) =>
          json(200, {
            challenge: issued.challenge,
            node: issued.node,
            expires_at: issued.expiresAt,
            server_x25519_pub: issued.serverX25519Pub,
            version: 1
          })
        ),
      undefined
    ),
    step(
      "/v1/registration/confirm",
      "POST",
      confirm(registration.token, (issued) => ({
        token: Redacted.value(issued.token),
        subject: issued.subject,
        expires_at: issued.expiresAt,
        rate_per_sec: issued.ratePerSec,
        rate_burst: issued.rateBurst
      })),
      undefined
    ),
    step(
      "/v1/registration/tsig-confirm",
      "POST",
      confirm(registration.tsigKey, (issued) => ({
        tsig_key_name: `${issued.name}.`,
        tsig_secret_hex: Buffer.from(Redacted.value(issued.secret)).toString("hex"),
        tsig_algorithm: issued.algorithm,
        allowed_suffixes: issued.allowedSuffixes,
        subject: issued.subject,
        zone: issued.zone,
        expires_at: issued.expiresAt
      })),
      registration.tsigEnabled ? undefined : tsigDisabled
    )
  ])
})
