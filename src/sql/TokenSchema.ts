/**
 * The token database as every release has left it, brought to version 2: the layout the
 * reference node reads and writes too. What is ours alone lives in tables of our own beside
 * it, so that going back stays possible. Changes nothing when it fails.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import * as PreMigration from "./PreMigration.ts"
import { messageOf } from "./SqlReason.ts"

/** The highest `user_version` understood. */
export const version = 2

const tables = [
  `CREATE TABLE IF NOT EXISTS tokens (
    token_hash TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    subject_type INTEGER NOT NULL,
    subject_hash12 TEXT,
    rate_per_sec REAL NOT NULL DEFAULT 10.0,
    rate_burst INTEGER NOT NULL DEFAULT 50,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    issuer TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    registered_spk TEXT
  )`,
  "CREATE INDEX IF NOT EXISTS idx_tokens_subject ON tokens(subject) WHERE revoked_at IS NULL",
  `CREATE TABLE IF NOT EXISTS token_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    event TEXT NOT NULL,
    token_hash TEXT,
    subject TEXT,
    remote_addr TEXT,
    detail TEXT
  )`,
  "CREATE INDEX IF NOT EXISTS idx_audit_ts ON token_audit(ts)",
  // The row number is in every index: the newest rows of a subject are found without sorting.
  "CREATE INDEX IF NOT EXISTS idx_dnsmesh_audit_subject ON token_audit(subject) WHERE subject IS NOT NULL",
  `CREATE TABLE IF NOT EXISTS dnsmesh_owners (
    subject TEXT PRIMARY KEY,
    domain TEXT NOT NULL,
    hash12 TEXT NOT NULL,
    spk TEXT,
    since INTEGER NOT NULL,
    reserved_until INTEGER,
    banned_at INTEGER,
    note TEXT NOT NULL DEFAULT ''
  )`,
  "CREATE INDEX IF NOT EXISTS idx_dnsmesh_owners_hash ON dnsmesh_owners(domain, hash12)",
  "CREATE INDEX IF NOT EXISTS idx_dnsmesh_owners_banned ON dnsmesh_owners(spk) WHERE banned_at IS NOT NULL"
]

// Databases without a stamp that have the column are in use: only that refusal is harmless.
const addSpk = (sql: SqlClient.SqlClient) =>
  Effect.catchAll(sql.unsafe("ALTER TABLE tokens ADD COLUMN registered_spk TEXT"), (error) =>
    /duplicate column/i.test(messageOf(error)) ? Effect.void : Effect.fail(error)
  )

/** One transaction; the file's version was found to be understood before. */
export const migrate = (sql: SqlClient.SqlClient) =>
  Effect.zipRight(
    PreMigration.keepUnlessDone(sql, version, "dnsmesh_owners"),
    sql.withTransaction(
      Effect.gen(function* () {
        const stamped = yield* PreMigration.isStamped(sql, version)
        for (const statement of tables) yield* sql.unsafe(statement)
        if (stamped) return
        yield* addSpk(sql)
        yield* sql.unsafe(`PRAGMA user_version = ${version}`)
      })
    )
  )
