/**
 * One line of the audit trail. Invariant, advertised to users: no row about a shared-pool
 * write carries a token hash or a subject, and no row names the record written.
 */

/** `registration` is a refused one; a granted one is `issued`. */
export const auditEvents = [
  "issued",
  "revoked",
  "used",
  "rejected",
  "throttled",
  "registration"
] as const
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

/** A row about a credential itself, which always names whose it is. */
export const lifecycle = (
  event: "issued" | "revoked",
  ts: number,
  subject: string,
  tokenHash: string | null,
  detail: string
): AuditRow => ({
  ts,
  event,
  tokenHash,
  subject,
  remoteAddr: null,
  detail: detail === "" ? null : detail
})

/** The single row of a revocation by subject, which names no hash. */
export const subjectRevoked = (subject: string, ts: number, count: number): AuditRow =>
  lifecycle("revoked", ts, subject, null, `by_subject count=${count}`)
