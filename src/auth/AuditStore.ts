/**
 * The audit trail at rest. Invariant, advertised to users: no row about a shared-pool write
 * carries a token hash or a subject, and no row names the record written.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"

export const auditEvents = ["issued", "revoked", "used", "rejected", "throttled"] as const
export type AuditEvent = (typeof auditEvents)[number]

export interface AuditRow {
  /** Unix seconds. */
  readonly ts: number
  readonly event: string
  readonly tokenHash: string | null
  readonly subject: string | null
  readonly remoteAddr: string | null
  readonly detail: string | null
}

export class AuditStore extends Context.Tag("dnsmesh/auth/AuditStore")<
  AuditStore,
  {
    /** One transaction for all rows, in order. */
    readonly append: (rows: ReadonlyArray<AuditRow>) => Effect.Effect<void, StoreError>
    /** Removes what is older than `before` (s), then the oldest beyond `maxRows`; yields how many. */
    readonly prune: (before: number, maxRows: number) => Effect.Effect<number, StoreError>
    /** Newest first. */
    readonly tail: (filter: {
      readonly event?: string
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<AuditRow>, StoreError>
  }
>() {}
