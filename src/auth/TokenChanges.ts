/**
 * What a mint or a revocation does to the rows of a subject, as pure decisions that the memory
 * store and the SQL adapter both follow, and the lifecycle rows each leaves in the audit.
 */
import type { AuditRow } from "./AuditStore.ts"
import { selfService, type TokenRow } from "./TokenStore.ts"

export type MintKind = "register" | "issue" | "rotate"

/** Which of the subject's unrevoked rows go when `kind` mints. */
export const supersedes = (kind: MintKind, row: TokenRow): boolean =>
  kind === "rotate" || (kind === "register" && row.registeredSpk !== null)

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

const supersededDetail: Record<MintKind, string> = {
  register: "self-service rotate: superseded",
  rotate: "admin rotate: superseded",
  issue: ""
}

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
