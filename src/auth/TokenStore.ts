/**
 * The durable publish tokens: hashes, never tokens. Every change is one transaction with the
 * ownership it rests on and the lifecycle rows it leaves in the audit. `MemoryCredentials` is
 * the reference; every adapter passes `test/auth/TokenStoreSuite.ts`. Arguments and results
 * are plain data, so that an adapter may live on another thread.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Claim, SubjectRefused } from "./Ownership.ts"
import type { Subject } from "./Subject.ts"

/** Times are whole Unix seconds. */
export interface TokenRow {
  /** 64 lower-case hex digits. */
  readonly tokenHash: string
  readonly subject: Subject
  /** 1 is a user; 2 and 3 are reserved. */
  readonly subjectType: number
  /** First 12 hex digits of SHA-256 of an X25519 key, for the names of single prekeys. */
  readonly subjectHash12: string | null
  /** Writes per second, and how many may come at once; 0 or less lifts the limit. */
  readonly ratePerSec: number
  readonly rateBurst: number
  readonly issuedAt: number
  /** Null never ends. */
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  readonly issuer: string
  readonly note: string
  /** The Ed25519 key that registered, 64 lower-case hex digits; null when the operator issued. */
  readonly registeredSpk: string | null
}

/** The issuer of every self-service token. */
export const selfService = "self-service"

/** True while the token opens anything. */
export const isLive = (row: TokenRow, now: number): boolean =>
  row.revokedAt === null && (row.expiresAt === null || now < row.expiresAt)

/** The hashes a mint has put out of use. */
export interface Minted {
  readonly superseded: ReadonlyArray<string>
}

export class TokenStore extends Context.Tag("dnsmesh/auth/TokenStore")<
  TokenStore,
  {
    /** Another number than before once another process has written. */
    readonly revision: Effect.Effect<number, StoreError>
    /** Newest first; expired rows are among the unrevoked. */
    readonly list: (filter: {
      readonly subject?: Subject
      readonly includeRevoked: boolean
    }) => Effect.Effect<ReadonlyArray<TokenRow>, StoreError>
    /** Self-service: takes the subject, revokes its earlier self-service tokens, inserts `row`. */
    readonly register: (
      row: TokenRow,
      claim: Claim
    ) => Effect.Effect<Minted, SubjectRefused | StoreError>
    /** By the operator: reserves the subject and inserts `row` beside what is there. */
    readonly issue: (
      row: TokenRow,
      claim: Claim
    ) => Effect.Effect<Minted, SubjectRefused | StoreError>
    /** By the operator: the same, and every other token of the subject is revoked. */
    readonly rotate: (
      row: TokenRow,
      claim: Claim
    ) => Effect.Effect<Minted, SubjectRefused | StoreError>
    /** False when there is no such token or it was revoked before. */
    readonly revoke: (tokenHash: string, now: number) => Effect.Effect<boolean, StoreError>
    /** How many rows were revoked. */
    readonly revokeSubject: (subject: Subject, now: number) => Effect.Effect<number, StoreError>
  }
>() {}
