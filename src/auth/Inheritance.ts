/**
 * Whose subjects were, in data written before ownership was kept: the key of the earliest live
 * self-service credential, or of the latest one when none lives. Pure.
 */
import type { Owner } from "./Ownership.ts"
import type * as Subject from "./Subject.ts"
import type { TokenRow } from "./TokenRow.ts"

/** Seconds for which a credential's end leaves its subject reserved when nobody said otherwise. */
const retention = 365 * 86_400

/** What a credential of either kind says about its subject. Times in Unix seconds. */
export interface Evidence {
  readonly subject: Subject.Subject
  /** Null when the operator issued it. */
  readonly spk: string | null
  readonly since: number
  /** Null never ends. */
  readonly endsAt: number | null
  readonly revoked: boolean
}

/** One owner for each subject named. `now` decides which credentials live. */
export const owners = (evidence: ReadonlyArray<Evidence>, now: number): ReadonlyArray<Owner> =>
  [...Map.groupBy(evidence, ({ subject }) => subject)].map(([subject, all]) => {
    const keyed = all.filter(({ spk }) => spk !== null).sort((a, b) => a.since - b.since)
    const living = keyed.find(
      ({ endsAt, revoked }) => !revoked && (endsAt === null || endsAt > now)
    )
    const rightful = living ?? keyed.at(-1) ?? all[0]
    const ends = all.filter(({ revoked }) => !revoked).map(({ endsAt }) => endsAt)
    return {
      subject,
      spk: rightful?.spk ?? null,
      since: rightful?.since ?? now,
      reservedUntil: ends.includes(null)
        ? null
        : Math.max(now, ...all.map(({ endsAt, since }) => endsAt ?? since)) + retention,
      bannedAt: null,
      note: ""
    }
  })

export const ofToken = (row: TokenRow): Evidence => ({
  subject: row.subject,
  spk: row.registeredSpk,
  since: row.issuedAt,
  endsAt: row.expiresAt,
  revoked: row.revokedAt !== null
})
