/** Who holds which subject, as rows of the token database; used inside its transactions. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import * as Ownership from "../auth/Ownership.ts"
import * as Subject from "../auth/Subject.ts"

interface OwnerColumns {
  readonly subject: string
  readonly spk: string | null
  readonly since: number
  readonly reserved_until: number | null
  readonly banned_at: number | null
  readonly note: string
}

const toOwner = (row: OwnerColumns): Ownership.Owner => ({
  subject: Subject.unsafeMake(row.subject),
  spk: row.spk,
  since: row.since,
  reservedUntil: row.reserved_until,
  bannedAt: row.banned_at,
  note: row.note
})

const columns = "subject, spk, since, reserved_until, banned_at, note"

export const list = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<OwnerColumns>`SELECT ${sql.literal(columns)} FROM dnsmesh_owners ORDER BY subject`,
    (rows) => rows.map(toOwner)
  )

export const find = (sql: SqlClient.SqlClient, subject: Subject.Subject) =>
  Effect.map(
    sql<OwnerColumns>`SELECT ${sql.literal(columns)} FROM dnsmesh_owners WHERE subject = ${subject}`,
    ([row]) => (row === undefined ? undefined : toOwner(row))
  )

export const put = (sql: SqlClient.SqlClient, owner: Ownership.Owner) =>
  sql`INSERT INTO dnsmesh_owners
        (subject, domain, hash12, spk, since, reserved_until, banned_at, note)
      VALUES (${owner.subject}, ${Subject.domain(owner.subject)}, ${Subject.hash12(owner.subject)},
        ${owner.spk}, ${owner.since}, ${owner.reservedUntil}, ${owner.bannedAt}, ${owner.note})
      ON CONFLICT (subject) DO UPDATE SET spk = excluded.spk, since = excluded.since,
        reserved_until = excluded.reserved_until, banned_at = excluded.banned_at,
        note = excluded.note`

/** Decides a claim on what the transaction sees, and keeps the outcome. */
export const take = (sql: SqlClient.SqlClient, claim: Ownership.Claim) =>
  Effect.gen(function* () {
    const { spk, subject } = claim
    const sameHash = yield* sql<OwnerColumns>`SELECT ${sql.literal(columns)} FROM dnsmesh_owners
      WHERE domain = ${Subject.domain(subject)} AND hash12 = ${Subject.hash12(subject)}
        AND subject <> ${subject}`
    const banned =
      spk === null
        ? []
        : yield* sql`SELECT 1 FROM dnsmesh_owners WHERE spk = ${spk} AND banned_at IS NOT NULL LIMIT 1`
    const held = yield* find(sql, subject)
    const verdict = Ownership.decide(claim, {
      held,
      sameHash: sameHash.map(toOwner),
      keyBanned: banned.length > 0
    })
    if (typeof verdict === "string") return { _tag: "Refused" as const, reason: verdict }
    yield* put(sql, verdict)
    return { _tag: "Held" as const, owner: verdict, changed: Ownership.changedHands(held, verdict) }
  })

/** Adds the owners whose subject nobody holds; yields how many. */
export const adopt = (sql: SqlClient.SqlClient, owners: ReadonlyArray<Ownership.Owner>) =>
  Effect.gen(function* () {
    let added = 0
    for (const owner of owners)
      if ((yield* find(sql, owner.subject)) === undefined) {
        yield* put(sql, owner)
        added++
      }
    return added
  })
