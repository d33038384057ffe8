/**
 * Every token in memory, ended ones too, so that a write costs no disk read and a made-up token
 * costs what a real one does. Invariant: a change made by this process is seen at once, one
 * made by another process (the admin's CLI) within `pollInterval`.
 */
import { Context, Effect, Layer, Metric, Schedule } from "effect"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Quota } from "../zone/WriteGrant.ts"
import * as AuthMetrics from "./AuthMetrics.ts"
import type { Claim } from "./Ownership.ts"
import { isLive, type MintKind, type TokenRow } from "./TokenRow.ts"
import { type ClaimOutcome, type MintOutcome, TokenStore } from "./TokenStore.ts"
import * as WriterQuota from "./WriterQuota.ts"

export const pollInterval = "500 millis"

interface Cached {
  readonly row: TokenRow
  readonly bucket: RateLimiter.RateLimiter
  /** What binds the holder at names that are theirs, and at those that many write. */
  readonly quota: { readonly own: Quota; readonly shared: Quota }
}

const quotaOf = ({ subject }: TokenRow): Cached["quota"] => ({
  own: WriterQuota.make(subject, () => true),
  shared: WriterQuota.make(subject)
})

export class TokenCache extends Context.Tag("dnsmesh/auth/TokenCache")<
  TokenCache,
  {
    /** The token of this hash with its bucket, living or not. */
    readonly find: (tokenHash: string) => Cached | undefined
    /** Mints through the store and knows the outcome before anybody else can use it. */
    readonly mint: (
      kind: MintKind,
      row: TokenRow,
      claim: Claim
    ) => Effect.Effect<MintOutcome, StoreError>
    /** Claims through the store; tokens that end with it have ended at once. */
    readonly claim: (claim: Claim) => Effect.Effect<ClaimOutcome, StoreError>
    /** Reads all tokens again. */
    readonly refresh: Effect.Effect<void, StoreError>
  }
>() {
  static readonly layer = Layer.scoped(
    TokenCache,
    Effect.gen(function* () {
      const store = yield* TokenStore
      const cached = new Map<string, Cached>()
      // A reload that overtook a mint would forget the minted token.
      const turn = yield* Effect.makeSemaphore(1)
      let seen = yield* store.revision

      const put = (row: TokenRow) =>
        Effect.map(
          RateLimiter.make({ rate: row.ratePerSec, burst: row.rateBurst, maxKeys: 1 }),
          (bucket) => {
            cached.set(row.tokenHash, { row, bucket, quota: quotaOf(row) })
          }
        )

      const end = (hashes: ReadonlyArray<string>, now: number): void => {
        for (const hash of hashes) {
          const held = cached.get(hash)
          if (held !== undefined)
            cached.set(hash, { ...held, row: { ...held.row, revokedAt: now } })
        }
      }

      const countLive = Effect.gen(function* () {
        const now = yield* UnixTime.now
        let live = 0
        for (const { row } of cached.values()) if (isLive(row, now)) live++
        yield* Metric.set(AuthMetrics.tokensLive, live)
      })

      const load = Effect.gen(function* () {
        const rows = yield* store.listTokens({ includeRevoked: true })
        const hashes = new Set(rows.map((row) => row.tokenHash))
        for (const hash of [...cached.keys()]) if (!hashes.has(hash)) cached.delete(hash)
        for (const row of rows) {
          const held = cached.get(row.tokenHash)
          const sameBucket =
            held?.row.ratePerSec === row.ratePerSec && held.row.rateBurst === row.rateBurst
          // A bucket that is kept cannot be refilled by touching the database.
          if (held !== undefined && sameBucket)
            cached.set(row.tokenHash, { ...held, row, quota: quotaOf(row) })
          else yield* put(row)
        }
        yield* countLive
      })

      const refresh = turn.withPermits(1)(load)

      const poll = turn.withPermits(1)(
        Effect.gen(function* () {
          const revision = yield* store.revision
          if (revision === seen) return
          yield* load
          seen = revision
        })
      )

      yield* load
      yield* Effect.forkScoped(
        Effect.repeat(
          Effect.catchAllCause(poll, (cause) =>
            Effect.logWarning("changes of tokens could not be looked for", cause)
          ),
          Schedule.spaced(pollInterval)
        )
      )
      yield* Effect.forkScoped(Effect.repeat(countLive, Schedule.spaced("30 seconds")))

      return {
        find: (tokenHash) => cached.get(tokenHash),
        refresh,
        claim: (claim) =>
          turn.withPermits(1)(
            Effect.tap(store.claim(claim), (outcome) =>
              Effect.sync(() => {
                if (outcome._tag === "Held") end(outcome.superseded, claim.now)
              })
            ).pipe(Effect.uninterruptible)
          ),
        mint: (kind, row, claim) =>
          turn.withPermits(1)(
            Effect.uninterruptible(
              Effect.gen(function* () {
                const outcome = yield* store.mint(kind, row, claim)
                if (outcome._tag === "Refused") return outcome
                end(outcome.superseded, row.issuedAt)
                yield* put(row)
                yield* countLive
                return outcome
              })
            )
          )
      }
    })
  )
}
