/** Databases as every release of the reference node left them, opened by this one. */
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { join } from "node:path"
import type { OpenError } from "../../src/sql/OpenError.ts"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import * as Name from "../../src/wire/Name.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { liveNames, now, put, start } from "../zone/RecordStoreSuite.ts"

const firstSchema = `CREATE TABLE records (name TEXT NOT NULL, value TEXT NOT NULL,
  ttl INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (name, value));
  CREATE INDEX idx_records_name ON records (name);
  CREATE INDEX idx_records_expires ON records (expires_at)`
const secondsSchema = `${firstSchema};
  ALTER TABLE records ADD COLUMN stored_ts INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX idx_records_stored_ts ON records (stored_ts)`
const lastSchema = `CREATE TABLE records (name TEXT NOT NULL, value TEXT NOT NULL,
  ttl INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  stored_ts INTEGER NOT NULL DEFAULT 0, value_hash TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (name, value));
  CREATE INDEX idx_records_name ON records (name);
  CREATE INDEX idx_records_expires ON records (expires_at);
  CREATE INDEX idx_records_stored_ts ON records (stored_ts);
  CREATE INDEX idx_records_page ON records (stored_ts, name, value_hash)`

/** Runs statements on a file as another program would. */
const elsewhere = (path: string, ...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    let rows: ReadonlyArray<unknown> = []
    for (const statement of statements.flatMap((text) => text.split(";")))
      rows = yield* sql.unsafe(statement)
    return rows
  }).pipe(Effect.provide(SqliteClient.layer({ filename: path })))

const here = <A, E>(path: string, body: Effect.Effect<A, E, RecordStore>) =>
  Effect.zipRight(TestClock.setTime(now * 1000), body).pipe(
    Effect.provide(SqlRecordStore.layerFile(path))
  )
const digest = Effect.flatMap(RecordStore, (store) => store.digest(start, 5000, 0))

/** The schema of the records, but for the indexes that may come and go. */
const schema = `SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'records'
  AND name NOT IN ('idx_records_name', 'idx_records_stored_ts') ORDER BY name`

const ms = (seconds: number) => seconds * 1000

describe("RecordSchema", () => {
  it.scoped("opens a database from before the sync columns", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(
        path,
        firstSchema,
        `INSERT INTO records VALUES ('a', 'é', 60, ${now - 20}, ${now + 40}), ('b', '2', 60, ${now - 10}, ${now + 50})`
      )
      assert.deepStrictEqual(yield* here(path, digest), [
        { owner: "a", storedTs: ms(now - 20), valueHash: valueHash("é"), expiresAt: now + 40 },
        { owner: "b", storedTs: ms(now - 10), valueHash: valueHash("2"), expiresAt: now + 50 }
      ])
    })
  )

  it.scoped("turns seconds of acceptance into milliseconds, once", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(
        path,
        secondsSchema,
        `INSERT INTO records VALUES ('a', '1', 60, ${now}, ${now + 40}, ${now - 3}), ('b', '2', 60, ${now}, ${now + 50}, ${ms(now)})`
      )
      for (let opened = 0; opened < 2; opened++)
        assert.deepStrictEqual(
          (yield* here(path, digest)).map(({ owner, storedTs }) => [owner, storedTs]),
          [
            ["a", ms(now - 3)],
            ["b", ms(now)]
          ]
        )
    })
  )

  it.scoped("fills in missing hashes, however many", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(
        path,
        lastSchema,
        `WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
         INSERT INTO records SELECT 'n' || i, 'v' || i, 60, ${now}, ${now + 60}, ${ms(now)} + i, '' FROM n`
      )
      const rows = yield* here(path, digest)
      assert.lengthOf(rows, 1301)
      for (const { owner, valueHash: held } of rows)
        assert.strictEqual(held, valueHash(owner.replace("n", "v")))
    })
  )

  it.scoped("merges the spellings of a name, keeping the longest life of each value", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const insert = (name: string, value: string, expiresAt: number, storedTs: number) =>
        `INSERT INTO records VALUES ('${name}', '${value}', 60, ${now}, ${expiresAt}, ${storedTs}, '${valueHash(value)}')`
      yield* elsewhere(
        path,
        lastSchema,
        insert("a.example", "1", now + 10, ms(now)),
        insert("A.example", "1", now + 90, ms(now) + 1),
        insert("a.EXAMPLE.", "1", now + 50, ms(now) + 2),
        insert("b.example", "1", now + 90, ms(now) + 3),
        insert("B.example", "1", now + 10, ms(now) + 4),
        insert("C.Example..", "2", now + 20, ms(now) + 5),
        insert(".", "odd", now + 20, ms(now) + 6)
      )
      const rows = yield* here(path, digest)
      assert.deepStrictEqual(
        new Map(rows.map(({ owner, expiresAt }) => [owner, expiresAt - now])),
        new Map([
          ["b.example", 90],
          [".", 20],
          ["a.example", 90],
          ["c.example", 20]
        ])
      )
      const after = { ...start, storedTs: ms(now) + 6, owner: "." }
      const later = yield* here(
        path,
        Effect.flatMap(RecordStore, (store) => store.digest({ ...after, valueHash: "g" }, 9, 0))
      )
      assert.deepStrictEqual(
        later.map(({ owner }) => owner).sort(),
        ["a.example", "c.example"],
        "peers that had seen everything are told of the new names"
      )
      // What no query can ask for is kept, but not answered with.
      assert.notInclude(yield* here(path, liveNames()), ". odd")
      const [left] = yield* elsewhere(path, "SELECT count(*) AS n FROM records WHERE name = '.'")
      assert.deepStrictEqual(left, { n: 1 })
    })
  )

  it.scoped("leaves a file the reference can go on with, and takes it back", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(path, lastSchema)
      const before = yield* elsewhere(path, schema)
      yield* here(
        path,
        Effect.flatMap(RecordStore, (store) => store.commit([put("a", "1"), put("a", "2")]))
      )
      assert.deepStrictEqual(yield* elsewhere(path, schema), before)
      assert.deepStrictEqual(yield* elsewhere(path, "PRAGMA user_version"), [{ user_version: 0 }])
      // As a release before the sync columns opens it and writes.
      yield* elsewhere(
        path,
        "CREATE INDEX IF NOT EXISTS idx_records_name ON records (name)",
        "DELETE FROM records WHERE name = 'a' AND value = '2'",
        `INSERT OR REPLACE INTO records (name, value, ttl, created_at, expires_at) VALUES ('OLD.example', '3', 60, ${now}, ${now + 60})`
      )
      const rows = yield* here(path, digest)
      assert.deepStrictEqual(
        rows.map(({ owner, valueHash }) => [owner, valueHash]),
        [
          ["a", valueHash("1")],
          ["old.example", valueHash("3")]
        ]
      )
      assert.deepStrictEqual(yield* elsewhere(path, schema), before)
    })
  )

  it.scoped("keeps no index that repeats another, and reads in order without them", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(path, lastSchema)
      yield* here(
        path,
        Effect.flatMap(RecordStore, (store) => store.commit([put("a", "1")]))
      )
      const held = yield* elsewhere(
        path,
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'records' ORDER BY name"
      )
      assert.deepStrictEqual(held, [
        { name: "idx_records_expires" },
        { name: "idx_records_page" },
        { name: "sqlite_autoindex_records_1" }
      ])
      for (const query of [
        "SELECT * FROM records WHERE name = 'a'",
        "SELECT * FROM records WHERE (stored_ts, name, value_hash, rowid) > (1, '', '', 0) ORDER BY stored_ts, name, value_hash, rowid",
        "SELECT max(stored_ts) FROM records"
      ]) {
        const plan = JSON.stringify(yield* elsewhere(path, `EXPLAIN QUERY PLAN ${query}`))
        assert.match(plan, /SEARCH records USING (COVERING )?INDEX/)
        assert.notInclude(plan, "TEMP B-TREE")
      }
    })
  )

  it.scoped("makes a new file with the columns of the reference, and its indexes but for two", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const [ours, theirs] = [join(directory, "ours.db"), join(directory, "theirs.db")]
      yield* here(ours, Effect.void)
      yield* elsewhere(
        theirs,
        lastSchema,
        "DROP INDEX idx_records_name",
        "DROP INDEX idx_records_stored_ts"
      )
      for (const of of [
        "SELECT * FROM pragma_table_xinfo('records')",
        "SELECT l.name, l.[unique], i.seqno, i.name AS part FROM pragma_index_list('records') AS l, pragma_index_info(l.name) AS i ORDER BY 1, 3"
      ])
        assert.deepStrictEqual(yield* elsewhere(ours, of), yield* elsewhere(theirs, of))
    })
  )

  it.scoped("refuses a file a later release has migrated, and leaves it alone", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* here(path, Effect.void)
      yield* elsewhere(
        path,
        "INSERT INTO dnsmesh_migrations (migration_id, name) VALUES (9, 'future')"
      )
      const refused = yield* Effect.flip(here(path, Effect.void))
      assert.strictEqual((refused satisfies OpenError).reason, "newer-schema")
      assert.include(refused.message, "step 9")
    })
  )

  it.scoped("takes back a migration that fails, and says so", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(path, "CREATE TABLE records (name TEXT NOT NULL)")
      const refused = yield* Effect.flip(here(path, Effect.void))
      assert.strictEqual(refused.reason, "migration")
      const columns = yield* elsewhere(path, "SELECT name FROM pragma_table_info('records')")
      assert.deepStrictEqual(columns, [{ name: "name" }])
    })
  )

  it.scoped("finds rows written before and after by any spelling the caller has parsed", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* elsewhere(
        path,
        lastSchema,
        `INSERT INTO records VALUES ('Mixed.Example', '1', 60, ${now}, ${now + 60}, ${ms(now)}, '')`
      )
      const rows = yield* here(
        path,
        Effect.flatMap(RecordStore, (store) =>
          store.rowsAt([Name.unsafeMake("mixed.example")], now)
        )
      )
      assert.lengthOf(rows, 1)
    })
  )
})
