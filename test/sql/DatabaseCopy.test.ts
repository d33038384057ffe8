import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as DatabaseCopy from "../../src/sql/DatabaseCopy.ts"
import { numbers, rowsOf, withDatabase } from "../fixtures/Databases.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

/** Names and contents of what is in `directory`, and when it last changed. */
const everything = (directory: string) => ({
  files: readdirSync(directory)
    .sort()
    .map((name) => [name, readFileSync(join(directory, name)).toString("base64")]),
  changed: statSync(directory, { bigint: true }).mtimeNs
})

/** A folder for the database and one for copies of it. */
const folders = Effect.map(tempDirectory, (home) => {
  const [data = "", work = ""] = ["data", "work"].map((name) => join(home, name))
  mkdirSync(data)
  mkdirSync(work)
  return { data, work, source: join(data, "dmp.db"), target: join(work, "copy.db") }
})

describe("a snapshot", () => {
  it.scoped("of a database at rest leaves no trace beside it", () =>
    Effect.gen(function* () {
      const { data, source, target, work } = yield* folders
      yield* numbers(source, 500)
      assert.deepStrictEqual(readdirSync(data), ["dmp.db"])
      const before = everything(data)
      yield* DatabaseCopy.snapshot(source, target)
      assert.deepStrictEqual(everything(data), before)
      assert.deepStrictEqual(readdirSync(work), ["copy.db"])
      assert.deepStrictEqual(yield* rowsOf(target, "numbers"), yield* rowsOf(source, "numbers"))
    })
  )

  it.scoped("has what is in the log of a node that was killed, and leaves both as they were", () =>
    Effect.gen(function* () {
      const { data, source, target, work } = yield* folders
      const crashed = join(data, "crashed.db")
      // The files as they stand while a writer has them, without the writer.
      yield* withDatabase(source, (db) => {
        db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
        db.exec("CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1), (2)")
        for (const end of ["", "-wal"]) copyFileSync(`${source}${end}`, `${crashed}${end}`)
      })
      rmSync(source)
      assert.isAbove(statSync(`${crashed}-wal`).size, 0)
      const before = everything(data)
      yield* DatabaseCopy.snapshot(crashed, target)
      assert.deepStrictEqual(everything(data), before)
      assert.deepStrictEqual(readdirSync(work), ["copy.db"])
      assert.deepStrictEqual(yield* rowsOf(target, "numbers"), ['{"n":1}', '{"n":2}'])
    })
  )

  it.scoped("of a database in use has what was committed, and does not end that use", () =>
    Effect.gen(function* () {
      const { data, source, target } = yield* folders
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = yield* Effect.acquireRelease(
            Effect.sync(() => new DatabaseSync(source)),
            (opened) => Effect.sync(() => opened.close())
          )
          db.exec("PRAGMA journal_mode = WAL; CREATE TABLE numbers (n INTEGER)")
          db.exec("INSERT INTO numbers VALUES (1)")
          yield* DatabaseCopy.snapshot(source, target)
          db.exec("INSERT INTO numbers VALUES (2)")
          assert.sameMembers(readdirSync(data), ["dmp.db", "dmp.db-shm", "dmp.db-wal"])
        })
      )
      assert.deepStrictEqual(yield* rowsOf(target, "numbers"), ['{"n":1}'])
      assert.deepStrictEqual(yield* rowsOf(source, "numbers"), ['{"n":1}', '{"n":2}'])
    })
  )

  it.scoped("of a database without a log leaves no trace either", () =>
    Effect.gen(function* () {
      const { data, source, target } = yield* folders
      yield* withDatabase(source, (db) => {
        db.exec("CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1)")
      })
      const before = everything(data)
      yield* DatabaseCopy.snapshot(source, target)
      assert.deepStrictEqual(everything(data), before)
      assert.deepStrictEqual(yield* rowsOf(target, "numbers"), ['{"n":1}'])
    })
  )
})
