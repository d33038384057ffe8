/**
 * Who holds which subject. Lives in the token database, so that taking a subject and minting
 * its token are one transaction. Every method is one transaction, durable when it succeeds.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Claim, Owner, SubjectRefused } from "./Ownership.ts"
import type { Subject } from "./Subject.ts"

export class OwnershipStore extends Context.Tag("dnsmesh/auth/OwnershipStore")<
  OwnershipStore,
  {
    /** Takes or renews the subject for a credential that is kept elsewhere. */
    readonly claim: (claim: Claim) => Effect.Effect<Owner, SubjectRefused | StoreError>
    readonly find: (subject: Subject) => Effect.Effect<Owner | undefined, StoreError>
    /** Ordered by subject. */
    readonly list: Effect.Effect<ReadonlyArray<Owner>, StoreError>
    /** Adds owners found in older data; subjects already held stay as they are. */
    readonly adopt: (owners: ReadonlyArray<Owner>) => Effect.Effect<number, StoreError>
    /** Bans the subject and its key for good; yields the tokens this revoked. */
    readonly ban: (subject: Subject, now: number, note: string) => Effect.Effect<number, StoreError>
    /** Forgets owner and ban, and revokes every token; false when nobody held it. */
    readonly release: (subject: Subject, now: number) => Effect.Effect<boolean, StoreError>
    /** Gives the subject to `spk` and revokes every token; lifts a ban of the subject. */
    readonly transfer: (
      subject: Subject,
      spk: string,
      now: number,
      note: string
    ) => Effect.Effect<Owner, StoreError>
  }
>() {}
