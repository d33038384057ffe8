/**
 * The TSIG key database as every release has left it, brought to version 4: the layout the
 * reference node reads and writes too, so that going back stays possible. Changes nothing when
 * it fails.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import * as PreMigration from "./PreMigration.ts"
import { messageOf } from "./SqlReason.ts"

/** The highest `user_version` understood. */
export const version = 4

/** What versions 2, 3 and 4 added, in this order. */
const addedColumns = ["subject", "registered_spk", "registered_x25519_pub"]

const schema = [
  `CREATE TABLE IF NOT EXISTS tsig_keys (
    name TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL DEFAULT 'hmac-sha256',
    secret BLOB NOT NULL,
    allowed_suffixes TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0,
    subject TEXT NOT NULL DEFAULT '',
    registered_spk TEXT NOT NULL DEFAULT '',
    registered_x25519_pub TEXT NOT NULL DEFAULT ''
  )`,
  "CREATE INDEX IF NOT EXISTS idx_tsig_active ON tsig_keys(revoked, expires_at)",
  "CREATE INDEX IF NOT EXISTS idx_tsig_subject ON tsig_keys(subject)",
  // Ours alone: since when a key is known to be revoked, which no release has kept.
  `CREATE TABLE IF NOT EXISTS dnsmesh_tsig_revoked (
    name TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL
  )`
]

// A new file has no table yet, and unstamped ones that have the column are in use: only these
// two refusals are harmless.
const addColumn = (sql: SqlClient.SqlClient, column: string) =>
  Effect.catchAll(
    sql.unsafe(`ALTER TABLE tsig_keys ADD COLUMN ${column} TEXT NOT NULL DEFAULT ''`),
    (error) =>
      /duplicate column|no such table/i.test(messageOf(error)) ? Effect.void : Effect.fail(error)
  )

/** One transaction; the file's version was found to be understood before. */
export const migrate = (sql: SqlClient.SqlClient) =>
  Effect.zipRight(
    PreMigration.keepUnlessDone(sql, version, "dnsmesh_tsig_revoked"),
    sql.withTransaction(
      Effect.gen(function* () {
        const done = yield* PreMigration.isStamped(sql, version)
        if (!done) for (const column of addedColumns) yield* addColumn(sql, column)
        for (const statement of schema) yield* sql.unsafe(statement)
        if (!done) yield* sql.unsafe(`PRAGMA user_version = ${version}`)
      })
    )
  )
