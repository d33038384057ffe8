/**
 * The `records` table, to the column that of every release of the reference node, so that
 * one file serves both in turn. What another release may leave behind is put right on
 * every opening, whatever it is: seconds, missing hashes, names not in canonical form.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import { valueHash } from "../zone/ValueHash.ts"
import type { Steps, Upkeep } from "./Migrations.ts"
import { type Run, transaction } from "./Transaction.ts"

/** Earlier `stored_ts` are in seconds: in ms they would lie before the year 2002. */
const firstMillis = 1_000_000_000_000
/** Rows whose hashes are filled in by one statement. */
const hashBatch = 500

const columns = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS records (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    ttl INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    stored_ts INTEGER NOT NULL DEFAULT 0,
    value_hash TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (name, value)
  )`
  const rows = yield* sql<{ name: string }>`SELECT name FROM pragma_table_info('records')`
  const has = (name: string) => rows.some((row) => row.name === name)
  if (!has("stored_ts"))
    yield* sql`ALTER TABLE records ADD COLUMN stored_ts INTEGER NOT NULL DEFAULT 0`
  if (!has("value_hash"))
    yield* sql`ALTER TABLE records ADD COLUMN value_hash TEXT NOT NULL DEFAULT ''`
  yield* sql`CREATE INDEX IF NOT EXISTS idx_records_name ON records (name)`
  yield* sql`CREATE INDEX IF NOT EXISTS idx_records_expires ON records (expires_at)`
  yield* sql`CREATE INDEX IF NOT EXISTS idx_records_stored_ts ON records (stored_ts)`
  yield* sql`CREATE INDEX IF NOT EXISTS idx_records_page ON records (stored_ts, name, value_hash)`
})

/**
 * `stored-mark`: no deleted row had a higher `stored_ts`; `probes`: writes made only to be made;
 * `serial-mark`, absent at first: no secondary was ever given a later serial.
 */
const meta = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE dnsmesh_meta (key TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL)`
  yield* sql`INSERT INTO dnsmesh_meta (key, value) VALUES ('stored-mark', 0), ('probes', 0)`
})

export const steps: Steps = { "1_records": columns, "2_meta": meta }

const canonical = "rtrim(lower(name), '.')"
const notCanonical = `name <> ${canonical} AND ${canonical} <> ''`

const millis = (run: Run) =>
  run(
    `UPDATE records SET stored_ts = 1000 * iif(stored_ts > 0, stored_ts, created_at)
     WHERE stored_ts < ${firstMillis}`
  )

// A merged row counts as stored anew, behind all others, so that peers see its new name.
const names = (run: Run) =>
  Effect.zipRight(
    run(
      `INSERT INTO records (name, value, ttl, created_at, expires_at, stored_ts, value_hash)
       SELECT ${canonical}, value, ttl, created_at, expires_at,
              (SELECT max(stored_ts) FROM records) + row_number() OVER (ORDER BY expires_at), value_hash
       FROM records WHERE ${notCanonical} ORDER BY expires_at
       ON CONFLICT (name, value) DO UPDATE SET
         ttl = excluded.ttl, created_at = excluded.created_at, expires_at = excluded.expires_at,
         stored_ts = excluded.stored_ts, value_hash = excluded.value_hash
       WHERE excluded.expires_at > records.expires_at`
    ),
    run(`DELETE FROM records WHERE ${notCanonical}`)
  )

const hashes = (sql: SqlClient.SqlClient, run: Run) =>
  Effect.iterate(0, {
    while: (after) => after >= 0,
    body: (after) =>
      Effect.gen(function* () {
        const rows = yield* sql<{ rowid: number; value: string }>`
          SELECT rowid, value FROM records WHERE value_hash = '' AND rowid > ${after}
          ORDER BY rowid LIMIT ${hashBatch}`
        const pairs = rows.map((row) => [row.rowid, valueHash(row.value)])
        yield* run(
          `UPDATE records SET value_hash = pair.value ->> 1
           FROM json_each(?) AS pair WHERE records.rowid = pair.value ->> 0`,
          JSON.stringify(pairs)
        )
        return rows.at(-1)?.rowid ?? -1
      })
  })

const isDue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [wrong] = yield* sql<{ any: number }>`SELECT
    EXISTS (SELECT 1 FROM records WHERE stored_ts < ${firstMillis})
    OR EXISTS (SELECT 1 FROM records WHERE value_hash = '')
    OR EXISTS (SELECT 1 FROM records WHERE ${sql.literal(notCanonical)}) AS any`
  return wrong?.any === 1
})

const normalise = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  transaction(sql, (run) =>
    millis(run).pipe(Effect.zipRight(names(run)), Effect.zipRight(hashes(sql, run)))
  )
)

/** Puts right what older releases left. */
export const upkeep: Upkeep = { isDue, run: normalise }

/**
 * Indexes whose columns are the first of another's. The reference makes them again whenever it
 * opens the file, so they may go without a copy. Without them SQLite takes a sixth less processor
 * time for a write of 64 new rows, and the file is a twentieth smaller.
 */
const unneeded = ["idx_records_name", "idx_records_stored_ts"]

/** No reason not to open the file, when it does not work. */
export const dropUnneeded = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.forEach(unneeded, (index) => sql`DROP INDEX IF EXISTS ${sql(index)}`, { discard: true })
).pipe(
  Effect.catchAll((error) => Effect.logWarning("an index nobody needs was not dropped", error))
)
