/**
 * The token database: publish tokens (hashes, never tokens), who holds which subject, and the
 * audit trail. One contract, because every mint is one transaction with the ownership it rests
 * on and the lifecycle rows it leaves. `MemoryTokenStore` is the reference; every adapter passes
 * `test/auth/TokenStoreSuite.ts`. Arguments and results are plain data, so that an adapter may
 * live on another thread. Times are whole Unix seconds.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import type { AuditRow } from "./AuditRow.ts"
import type { Claim, Owner, Refusal } from "./Ownership.ts"
import type { Subject } from "./Subject.ts"
import type { MintKind, TokenRow } from "./TokenRow.ts"

/** Hashes of the tokens a mint put out of use, or why the subject is not to be had. */
export type MintOutcome =
  | { readonly _tag: "Minted"; readonly superseded: ReadonlyArray<string> }
  | { readonly _tag: "Refused"; readonly reason: Refusal }

export type ClaimOutcome =
  | {
      readonly _tag: "Held"
      readonly owner: Owner
      /** Hashes of the former holder's tokens, which end when the subject goes to another key. */
      readonly superseded: ReadonlyArray<string>
    }
  | { readonly _tag: "Refused"; readonly reason: Refusal }

/** Times are inclusive. */
export interface AuditFilter {
  readonly event?: string
  readonly subject?: Subject
  readonly since?: number
  readonly until?: number
  readonly limit: number
}

export interface TokenStoreShape {
  /** Another number than before once another process has written. Cheap. */
  readonly revision: Effect.Effect<number, StoreError>
  /** Newest first; expired rows are among the unrevoked. */
  readonly listTokens: (filter: {
    readonly subject?: Subject
    readonly includeRevoked: boolean
  }) => Effect.Effect<ReadonlyArray<TokenRow>, StoreError>
  /** Takes the subject, revokes what `kind` supersedes, inserts `row`. */
  readonly mint: (
    kind: MintKind,
    row: TokenRow,
    claim: Claim
  ) => Effect.Effect<MintOutcome, StoreError>
  /** False when there is no such token or it was revoked before. */
  readonly revoke: (tokenHash: string, now: number) => Effect.Effect<boolean, StoreError>
  /** How many rows were revoked. */
  readonly revokeSubject: (subject: Subject, now: number) => Effect.Effect<number, StoreError>

  /** Forgets at most `limit` tokens that were revoked or over at `before`; yields how many. */
  readonly purgeTokens: (before: number, limit: number) => Effect.Effect<number, StoreError>

  /** Takes or renews the subject for a credential that is kept elsewhere. */
  readonly claim: (claim: Claim) => Effect.Effect<ClaimOutcome, StoreError>
  readonly findOwner: (subject: Subject) => Effect.Effect<Owner | undefined, StoreError>
  /** Ordered by subject. */
  readonly listOwners: Effect.Effect<ReadonlyArray<Owner>, StoreError>
  /** Adds owners found in older data; subjects already held stay as they are. Yields how many. */
  readonly adopt: (owners: ReadonlyArray<Owner>) => Effect.Effect<number, StoreError>
  /** Bans the subject and its key for good; yields the tokens this revoked. */
  readonly ban: (subject: Subject, now: number, note: string) => Effect.Effect<number, StoreError>
  /** Lifts reservation and ban, and revokes every token; false when nobody held it. */
  readonly release: (subject: Subject, now: number) => Effect.Effect<boolean, StoreError>
  /** Gives the subject to `spk` and revokes every token; lifts a ban of the subject. */
  readonly transfer: (
    subject: Subject,
    spk: string,
    now: number,
    note: string
  ) => Effect.Effect<Owner, StoreError>

  /** One transaction for all rows, in order. */
  readonly appendAudit: (rows: ReadonlyArray<AuditRow>) => Effect.Effect<void, StoreError>
  /**
   * Removes what is older than `before` and the oldest beyond `maxRows`, at most `limit` rows;
   * yields how many.
   */
  readonly pruneAudit: (
    before: number,
    maxRows: number,
    limit: number
  ) => Effect.Effect<number, StoreError>
  /** Newest first. */
  readonly tailAudit: (filter: AuditFilter) => Effect.Effect<ReadonlyArray<AuditRow>, StoreError>
}

export class TokenStore extends Context.Tag("dnsmesh/auth/TokenStore")<
  TokenStore,
  TokenStoreShape
>() {}
