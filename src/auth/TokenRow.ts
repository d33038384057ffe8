/**
 * A publish token as it is kept, and what a mint or a revocation does to the rows of a subject:
 * pure decisions that the memory store and the SQL adapter both follow.
 */
import { type AuditRow, lifecycle } from "./AuditRow.ts"
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

/**
 * `register`: the user minted, and earlier self-service tokens end. `issue`: the operator
 * minted one more. `rotate`: the operator minted, and every other token ends.
 */
export type MintKind = "register" | "issue" | "rotate"

/** True for an unrevoked row of the subject that ends when `kind` mints. */
export const supersedes = (kind: MintKind, held: TokenRow): boolean =>
  kind === "rotate" || (kind === "register" && held.registeredSpk !== null)

const supersededDetail: Record<MintKind, string> = {
  register: "self-service rotate: superseded",
  rotate: "admin rotate: superseded",
  issue: ""
}

/** The lifecycle rows of a mint: first what went, then what came. */
export const mintAudit = (
  kind: MintKind,
  row: TokenRow,
  superseded: ReadonlyArray<string>
): ReadonlyArray<AuditRow> => [
  ...superseded.map((hash) =>
    lifecycle("revoked", row.issuedAt, row.subject, hash, supersededDetail[kind])
  ),
  lifecycle(
    "issued",
    row.issuedAt,
    row.subject,
    row.tokenHash,
    kind === "register" ? selfService : `issuer='${row.issuer}' note='${row.note}'`
  )
]
