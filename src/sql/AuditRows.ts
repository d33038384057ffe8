/** The audit trail as rows of the token database; used inside its transactions. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import type { AuditRow } from "../auth/AuditRow.ts"
import type { AuditFilter } from "../auth/TokenStore.ts"

interface AuditColumns {
  readonly ts: number
  readonly event: string
  readonly token_hash: string | null
  readonly subject: string | null
  readonly remote_addr: string | null
  readonly detail: string | null
}

const toAudit = (row: AuditColumns): AuditRow => ({
  ts: row.ts,
  event: row.event,
  tokenHash: row.token_hash,
  subject: row.subject,
  remoteAddr: row.remote_addr,
  detail: row.detail
})

// One statement, whatever the number of rows, so that it is prepared once.
export const append = (sql: SqlClient.SqlClient, rows: ReadonlyArray<AuditRow>) =>
  sql`INSERT INTO token_audit (ts, event, token_hash, subject, remote_addr, detail)
      SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5
      FROM json_each(${JSON.stringify(
        rows.map((row) => [
          row.ts,
          row.event,
          row.tokenHash,
          row.subject,
          row.remoteAddr,
          row.detail
        ])
      )})`

/** Forgets at most `limit` rows: those from before, then the oldest beyond `maxRows`. */
export const prune = (sql: SqlClient.SqlClient, before: number, maxRows: number, limit: number) =>
  Effect.gen(function* () {
    const changes = Effect.map(sql<{ n: number }>`SELECT changes() AS n`, ([row]) => row?.n ?? 0)
    yield* sql`DELETE FROM token_audit WHERE id IN (
      SELECT id FROM token_audit WHERE ts < ${before} ORDER BY ts LIMIT ${limit})`
    const old = yield* changes
    if (old === limit) return old
    yield* sql`DELETE FROM token_audit WHERE id IN (
      SELECT id FROM token_audit WHERE id <= (
        SELECT id FROM token_audit ORDER BY id DESC LIMIT 1 OFFSET ${maxRows})
      ORDER BY id LIMIT ${limit - old})`
    return old + (yield* changes)
  })

/** The newest rows of those wanted, newest first. */
export const tail = (
  sql: SqlClient.SqlClient,
  { event, limit, since, subject, until }: AuditFilter
) =>
  Effect.map(
    sql<AuditColumns>`SELECT ts, event, token_hash, subject, remote_addr, detail
      FROM token_audit WHERE ${sql.and([
        // Each only where it is asked for, so that a subject's rows are found by their index.
        ...(subject === undefined ? [] : [sql`subject = ${subject}`]),
        ...(event === undefined ? [] : [sql`event = ${event}`]),
        ...(since === undefined ? [] : [sql`+ts >= ${since}`]),
        ...(until === undefined ? [] : [sql`+ts <= ${until}`])
      ])}
      ORDER BY id DESC LIMIT ${limit}`,
    (rows) => rows.map(toAudit)
  )
