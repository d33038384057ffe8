import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { transaction } from "../../src/sql/Transaction.ts"
import * as SqliteFile from "../../src/sql/SqliteFile.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const file = (path: string, options?: Partial<SqliteFile.SqliteFileOptions>) =>
  SqliteFile.layer({ path, userVersion: 0, exclusive: true, ...options })

const use = <A, E>(
  path: string,
  body: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>,
  options?: Partial<SqliteFile.SqliteFileOptions>
) => Effect.flatMap(SqlClient.SqlClient, body).pipe(Effect.provide(file(path, options)))

const refusal = (path: string, options?: Partial<SqliteFile.SqliteFileOptions>) =>
  Effect.flip(use(path, () => Effect.void, options))

const mode = (path: string) => statSync(path).mode & 0o777

describe("SqliteFile", () => {
  it.scoped("makes the directory and every file for their owner alone", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "new", "deeper")
      const path = join(directory, "dmp.db")
      yield* use(path, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a)`
          assert.strictEqual(mode(directory), 0o700)
          for (const suffix of ["", "-wal", "-shm", ".lock"])
            assert.strictEqual(mode(path + suffix), 0o600, suffix)
        })
      )
    })
  )

  it.scoped("narrows the files of a database that others could read", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) => sql`CREATE TABLE t (a)`)
      chmodSync(path, 0o644)
      yield* use(path, (sql) =>
        Effect.map(sql`INSERT INTO t VALUES (1)`, () => {
          for (const suffix of ["", "-wal", "-shm"])
            assert.strictEqual(mode(path + suffix), 0o600, suffix)
        })
      )
    })
  )

  it.scoped("waits for the disk at every commit", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const settings = yield* use(path, (sql) =>
        Effect.all([sql`PRAGMA synchronous`, sql`PRAGMA journal_mode`, sql`PRAGMA busy_timeout`])
      )
      assert.deepStrictEqual(settings.flat(), [
        { synchronous: 2 },
        { journal_mode: "wal" },
        { timeout: 2000 }
      ])
    })
  )

  for (const text of ["x", "not a database", "SQLite format", "#!/bin/sh\n".repeat(500)])
    it.scoped(`refuses ${text.length} octets that are no database and leaves them`, () =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "notes.txt")
        writeFileSync(path, text)
        assert.strictEqual((yield* refusal(path)).reason, "not-a-database")
        assert.strictEqual(readFileSync(path, "utf8"), text)
      })
    )

  it.scoped("takes an empty file for a new database", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      writeFileSync(path, "")
      yield* use(path, (sql) => sql`CREATE TABLE t (a)`)
    })
  )

  it.effect("refuses an empty path, where SQLite would forget everything", () =>
    Effect.gen(function* () {
      for (const path of ["", "  "]) assert.strictEqual((yield* refusal(path)).reason, "no-path")
    })
  )

  it.scoped("refuses a directory and a path below a file", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      mkdirSync(join(directory, "dmp.db"))
      writeFileSync(join(directory, "file"), "")
      for (const path of [join(directory, "dmp.db"), join(directory, "file", "dmp.db")])
        assert.strictEqual((yield* refusal(path)).reason, "unwritable")
    })
  )

  it.scoped("refuses a schema version it does not know and changes nothing", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) => sql`PRAGMA user_version = 3`)
      const before = readFileSync(path)
      const refused = yield* refusal(path, { userVersion: 2 })
      assert.strictEqual(refused.reason, "newer-schema")
      assert.include(refused.message, path)
      assert.deepStrictEqual(readFileSync(path), before)
      yield* use(path, () => Effect.void, { userVersion: 3 })
    })
  )

  it.scoped("refuses a damaged database", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a)`
          yield* sql`CREATE INDEX i ON t (a)`
          yield* sql`INSERT INTO t SELECT hex(randomblob(200)) FROM json_each(${JSON.stringify(Array.from({ length: 200 }, (_, i) => i))})`
        })
      )
      const octets = readFileSync(path)
      writeFileSync(path, octets.fill(0x5a, 9000, 20_000))
      assert.strictEqual((yield* refusal(path)).reason, "corrupt")
      assert.deepStrictEqual(readFileSync(path), octets)
    })
  )

  it.scoped("keeps a second node out, also through a link, and lets it in afterwards", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "dmp.db")
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(file(path), scope)
      assert.strictEqual((yield* refusal(path)).reason, "in-use")
      symlinkSync(path, join(directory, "link.db"))
      assert.strictEqual((yield* refusal(join(directory, "link.db"))).reason, "in-use")
      yield* Scope.close(scope, Exit.void)
      yield* use(path, () => Effect.void)
    })
  )

  it.scoped("lets tools in beside it where it is not exclusive, and readers everywhere", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp_tokens.db")
      yield* use(
        path,
        (sql) =>
          Effect.gen(function* () {
            yield* sql`CREATE TABLE t (a)`
            yield* use(path, (other) => other`INSERT INTO t VALUES (1)`, { exclusive: false })
            assert.lengthOf(yield* sql`SELECT a FROM t`, 1)
          }),
        { exclusive: false }
      )
      yield* use(path, () =>
        Effect.gen(function* () {
          const reader = yield* SqlClient.SqlClient
          assert.lengthOf(yield* reader`SELECT a FROM t`, 1)
        }).pipe(
          Effect.provide(SqliteClient.layer({ filename: path, readonly: true, disableWAL: true }))
        )
      )
    })
  )

  it.scoped("waits for another writer no longer than it says, then reports the lock", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a)`
          yield* Effect.gen(function* () {
            const other = yield* SqlClient.SqlClient
            yield* other.withTransaction(
              Effect.gen(function* () {
                yield* other`INSERT INTO t VALUES (1)`
                const started = performance.now()
                const failed = yield* Effect.flip(
                  transaction(sql, (run) => run("INSERT INTO t VALUES (2)"))
                )
                assert.include(String(failed.cause), "locked")
                assert.isBelow(performance.now() - started, 4000)
              })
            )
          }).pipe(Effect.provide(SqliteClient.layer({ filename: path })))
          yield* sql`INSERT INTO t VALUES (3)`
          assert.deepStrictEqual(yield* sql`SELECT a FROM t`, [{ a: 1 }, { a: 3 }])
        })
      )
    })
  )

  it.scoped("takes the client's statements inside a transaction as part of it", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a)`
          const seen = yield* transaction(sql, (run) =>
            Effect.zipRight(run("INSERT INTO t VALUES (1)"), sql`SELECT a FROM t`)
          )
          assert.deepStrictEqual(seen, [{ a: 1 }])
          yield* Effect.flip(
            transaction(sql, () => Effect.zipRight(sql`DELETE FROM t`, Effect.fail("no")))
          )
          assert.lengthOf(yield* sql`SELECT a FROM t`, 1)
        })
      )
    })
  )

  it.scoped("never lets a lone statement into another fiber's transaction", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* use(path, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a)`
          const fiber = yield* Effect.fork(
            transaction(sql, (run) =>
              run("INSERT INTO t VALUES ('taken back')").pipe(
                Effect.zipRight(Effect.yieldNow()),
                Effect.zipRight(Effect.fail("no"))
              )
            )
          )
          yield* Effect.yieldNow()
          yield* sql`INSERT INTO t VALUES ('kept')`
          assert.isTrue(Exit.isFailure(yield* fiber.await))
          assert.deepStrictEqual(yield* sql`SELECT a FROM t`, [{ a: "kept" }])
        })
      )
    })
  )
})
