/**
 * What is counted of credentials, without naming anybody. Every series is registered before
 * the first event, so that rates over a quiet node are zero instead of absent.
 */
import { Effect, Metric } from "effect"

export const failureReasons = [
  "malformed",
  "unknown",
  "expired",
  "revoked",
  "not-owner",
  "operator-name",
  "unknown-name",
  "pool-delete"
] as const
export type FailureReason = (typeof failureReasons)[number]

export const registrationResults = [
  "challenge",
  "token",
  "tsig",
  "disabled",
  "rate-limited",
  "malformed",
  "challenge-unknown",
  "bad-signature",
  "not-allowed",
  "banned",
  "taken",
  "bad-proof",
  "store-error"
] as const
export type RegistrationResult = (typeof registrationResults)[number]

const failures = Metric.counter("dmp_auth_failures_total", {
  description: "Writes refused for their token, by reason.",
  incremental: true
})
const registrations = Metric.counter("dmp_registrations_total", {
  description: "Registration requests by result.",
  incremental: true
})

const byReason = new Map(
  failureReasons.map((reason) => [reason, Metric.tagged(failures, "reason", reason)])
)
const byResult = new Map(
  registrationResults.map((result) => [result, Metric.tagged(registrations, "result", result)])
)

export const throttled = Metric.counter("dmp_token_throttled_total", {
  description: "Writes refused because their token's own bucket was empty.",
  incremental: true
})
export const auditDropped = Metric.counter("dmp_audit_rows_dropped_total", {
  description: "Audit rows given up because they could not be written in time.",
  incremental: true
})
export const tokensLive = Metric.gauge("dmp_tokens_live", {
  description: "Publish tokens that open something."
})
export const tsigKeysLive = Metric.gauge("dmp_tsig_keys_live", {
  description: "TSIG keys that sign something."
})

/** Makes every series exist at zero. */
export const register: Effect.Effect<void> = Effect.sync(() => {
  for (const metric of [...byReason.values(), ...byResult.values()]) metric.register()
  for (const metric of [throttled, auditDropped, tokensLive, tsigKeysLive]) metric.register()
})

/** For the synchronous write path. */
export const countFailure = (reason: FailureReason): void =>
  byReason.get(reason)?.unsafeUpdate(1, [])

export const countRegistration = (result: RegistrationResult): Effect.Effect<void> =>
  Effect.sync(() => byResult.get(result)?.unsafeUpdate(1, []))
