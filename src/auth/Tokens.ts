/**
 * What a publish token may write. Order of decision: is it a live token, is the name of its
 * scope, has it a write left. Every refusal before that last step costs the same work, and
 * nothing durable joins a shared-pool write to a token or its subject.
 */
import { Effect, Either, Layer } from "effect"
import { WriteGrant } from "../zone/WriteGrant.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { Audit } from "./Audit.ts"
import type { AuditEvent } from "./AuditRow.ts"
import * as AuthMetrics from "./AuthMetrics.ts"
import * as NameClass from "./NameClass.ts"
import * as Subject from "./Subject.ts"
import { type Denial, TokenAuth, TokenDenied, type TokenOperation } from "./TokenAuth.ts"
import { TokenCache } from "./TokenCache.ts"
import * as TokenFormat from "./TokenFormat.ts"
import { isLive, type TokenRow } from "./TokenRow.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

type ScopeVerdict =
  | { readonly _tag: "Allowed"; readonly shared: boolean }
  | {
      readonly _tag: "Refused"
      readonly failure: AuthMetrics.FailureReason
      /** Shown to the holder. */
      readonly reason: string
      /** For the audit; names no record. */
      readonly detail: string
      /** True when the audit may say whose token it was. */
      readonly named: boolean
    }

/** Whether `holder` may do `operation` at a name of this class. Pure. */
export const decide = (
  holder: NameClass.Holder,
  operation: TokenOperation,
  named: NameClass.NameClass
): ScopeVerdict => {
  switch (named._tag) {
    case "Owner":
      return NameClass.owns(holder, named.by)
        ? { _tag: "Allowed", shared: false }
        : {
            _tag: "Refused",
            failure: "not-owner",
            reason: "token scope: the name belongs to another subject",
            detail: "owner-exclusive: subject mismatch",
            named: true
          }
    case "Pool":
      return operation === "publish"
        ? { _tag: "Allowed", shared: true }
        : {
            _tag: "Refused",
            failure: "pool-delete",
            reason: "token scope: shared names are never deleted by users",
            detail: "shared-pool delete refused",
            named: false
          }
    case "Operator":
      return {
        _tag: "Refused",
        failure: "operator-name",
        reason: `token scope: the name is the operator's (${named.reason})`,
        detail: `operator-only scope: ${named.reason}`,
        named: false
      }
    case "Unknown":
      return {
        _tag: "Refused",
        failure: "unknown-name",
        reason: `token scope: the name is not one users write (${named.reason})`,
        detail: `unknown scope: ${named.reason}`,
        named: false
      }
  }
}

/** Stands in for the holder of a token nobody holds. */
const nobody: NameClass.Holder = {
  subject: Subject.unsafeMake("nobody@invalid.invalid"),
  subjectHash12: null
}

type Held = NonNullable<ReturnType<TokenCache["Type"]["find"]>>

const unauthorized = Either.left(new TokenDenied({ denial: { _tag: "Unauthorized" } }))
const denied = (denial: Denial) => Either.left(new TokenDenied({ denial }))

const grantOf = (
  operation: TokenOperation,
  name: string,
  { quota, row }: Held,
  shared: boolean
): WriteGrant => {
  const granted = operation === "publish" ? "add" : "delete"
  return new WriteGrant({
    // Even at DEBUG a pool write names nobody.
    subject: shared ? "user" : row.subject,
    allows: (wanted, owner) => owner === name && wanted === granted,
    mayShorten: !shared,
    ignoresTtlCap: false,
    quota: shared ? quota.shared : quota.own,
    ...(row.registeredSpk === null ? {} : { registeredSpk: row.registeredSpk })
  })
}

/** `TokenAuth` over the token database. */
export const layer = Layer.effect(
  TokenAuth,
  Effect.gen(function* () {
    const cache = yield* TokenCache
    const audit = yield* Audit
    const { zones } = yield* ZoneConfig
    const clock = yield* Effect.clock
    yield* AuthMetrics.register

    /** `row` where the trail may say whose token it was. */
    const record = (event: AuditEvent, detail: string, remote: string, row?: TokenRow): void =>
      audit.record({ event, holder: row ?? null, remote, detail })

    /** What is kept of `token`; nothing for what no token of ours looks like. */
    const find = (token: string) => {
      const tokenHash = TokenFormat.hash(token)
      const wellFormed = TokenFormat.isWellFormed(token)
      return { wellFormed, held: wellFormed ? cache.find(tokenHash) : undefined }
    }

    /** `found` if it opens anything; counts and records when it does not. */
    const living = ({ held, wellFormed }: ReturnType<typeof find>, remote: string) => {
      if (!wellFormed) AuthMetrics.countFailure("malformed")
      else if (held === undefined) {
        AuthMetrics.countFailure("unknown")
        record("rejected", "no such token", remote)
      } else if (!isLive(held.row, UnixTime.unsafeNow(clock))) {
        AuthMetrics.countFailure(held.row.revokedAt === null ? "expired" : "revoked")
        record("rejected", "token expired or revoked", remote)
      } else return held
      return undefined
    }

    return {
      identify: (token, remote) => {
        const held = living(find(token), remote)
        if (held === undefined) return unauthorized
        return Either.right({ row: held.row, limit: held.bucket.standing("") })
      },
      authorize: (token, operation, owner, remote) => {
        const name = NameClass.canonical(owner)
        const found = find(token)
        const verdict = decide(
          found.held?.row ?? nobody,
          operation,
          NameClass.classify(name, zones)
        )
        const held = living(found, remote)
        if (held === undefined) return unauthorized
        const { bucket, row } = held
        if (verdict._tag === "Refused") {
          AuthMetrics.countFailure(verdict.failure)
          record("rejected", verdict.detail, remote, verdict.named ? row : undefined)
          return denied({ _tag: "Forbidden", reason: verdict.reason })
        }
        const detail = verdict.shared ? "shared-pool" : "owner-exclusive"
        const shown = verdict.shared ? undefined : row
        if (!bucket.allow("")) {
          AuthMetrics.throttled.unsafeUpdate(1, [])
          record("throttled", detail, remote, shown)
          return denied({
            _tag: "Throttled",
            retryAfter: bucket.retryAfter(""),
            limit: bucket.standing("")
          })
        }
        record("used", detail, remote, shown)
        return Either.right({
          grant: grantOf(operation, name, held, verdict.shared),
          limit: bucket.standing("")
        })
      }
    }
  })
)
