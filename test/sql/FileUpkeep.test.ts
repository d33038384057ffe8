import { statSync } from "node:fs"
import { join } from "node:path"
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as FileUpkeep from "../../src/sql/FileUpkeep.ts"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import * as Name from "../../src/wire/Name.ts"
import { RecordStore, type RowChange } from "../../src/zone/RecordStore.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

/** `count` rows of some 2,000 octets each, over at `expiresAt`. */
const rows = (count: number, expiresAt: number): ReadonlyArray<RowChange> =>
  Array.from({ length: count }, (_, at) => ({
    _tag: "Put",
    row: {
      owner: Name.unsafeMake(`n${at}.example.org`),
      value: `${at}-`.padEnd(2000, "x"),
      ttl: 60,
      createdAt: 1,
      expiresAt
    }
  }))

/** The files' upkeep on the thread that has `path` open, its tasks by name, and the records. */
const node = (path: string) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      StoreThread.host(FileUpkeep.hosted, { path: "every open file" }).pipe(
        Layer.provideMerge(StoreThread.layer({ dbPath: path }))
      )
    )
    const tasks = yield* Effect.provide(FileUpkeep.tasks, context)
    const step = (name: string) =>
      tasks.find((task) => task.name === name)?.step ?? Effect.dieMessage(name)
    return {
      store: Context.get(context, RecordStore),
      files: Context.get(context, FileUpkeep.FileUpkeep),
      checkpoint: step("checkpoint"),
      vacuum: step("vacuum")
    }
  })

const swept = (store: RecordStore["Type"], now: number) =>
  Effect.gen(function* () {
    while ((yield* store.sweep(now, 2000)) > 0);
  })

describe("the upkeep of database files", () => {
  it.scoped("gives free pages back to the disk in small steps, and keeps every record", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const { checkpoint, files, store, vacuum } = yield* node(path)
      yield* store.commit(rows(20_000, 100))
      yield* store.commit([
        {
          _tag: "Put",
          row: {
            owner: Name.unsafeMake("kept.example.org"),
            value: "kept",
            ttl: 60,
            createdAt: 1,
            expiresAt: 10_000
          }
        }
      ])
      assert.strictEqual(yield* vacuum, 0)
      yield* swept(store, 200)
      const [before] = yield* files.look
      assert.isTrue(before?.shrinks)
      assert.isAbove((before?.freePages ?? 0) * (before?.pageBytes ?? 0), 30 * 2 ** 20)
      let steps = 0
      while ((yield* vacuum) > 0) {
        steps++
        // Writers go on between the steps.
        if (steps === 10) yield* store.commit(rows(1, 10_000))
      }
      const [after] = yield* files.look
      assert.isAbove(steps, 20)
      assert.isBelow((after?.pages ?? 0) * (after?.pageBytes ?? 0), 25 * 2 ** 20)
      assert.lengthOf(yield* store.rowsAt([Name.unsafeMake("kept.example.org")], 200), 1)
      assert.lengthOf(yield* store.rowsAt([Name.unsafeMake("n0.example.org")], 200), 1)

      // What has just been written is left alone until nobody has written for a while.
      assert.strictEqual(yield* checkpoint, 0)
      assert.strictEqual(yield* checkpoint, 1)
      assert.strictEqual(statSync(`${path}-wal`).size, 0)
      assert.isBelow(statSync(path).size, 25 * 2 ** 20)
      assert.strictEqual(yield* checkpoint, 0)
      yield* store.commit(rows(1, 20_000))
      assert.strictEqual(yield* checkpoint, 0)
      yield* store.commit(rows(1, 30_000))
      assert.strictEqual(yield* checkpoint, 0)
      assert.strictEqual(yield* checkpoint, 1)
    })
  )

  it.scoped("waits for nobody who reads, and lets writers go on meanwhile", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const { checkpoint, store } = yield* node(path)
      yield* store.commit(rows(10, 10_000))
      const reader = Context.get(
        yield* Layer.build(
          SqliteClient.layer({ filename: path, readonly: true, disableWAL: true })
        ),
        SqlClient.SqlClient
      )
      yield* reader`BEGIN`
      assert.lengthOf(yield* reader`SELECT 1 FROM records`, 10)
      yield* store.commit(rows(20, 10_000))
      assert.strictEqual(yield* checkpoint, 0)
      assert.strictEqual(yield* checkpoint, 0)
      yield* store.commit(rows(30, 10_000))
      yield* reader`COMMIT`
      assert.strictEqual(yield* checkpoint, 0)
      assert.strictEqual(yield* checkpoint, 1)
    })
  )

  it.scoped("leaves files alone that were made before, whose pages cannot be given back", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE filler (text TEXT)`
        yield* sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
          INSERT INTO filler SELECT printf('%.*c', 2000, 'x') FROM n`
        yield* sql`DELETE FROM filler`
      }).pipe(Effect.provide(SqliteClient.layer({ filename: path })), Effect.scoped)
      const { files, vacuum } = yield* node(path)
      const [state] = yield* files.look
      assert.isFalse(state?.shrinks)
      assert.isAbove(state?.freePages ?? 0, 5000)
      assert.strictEqual(yield* vacuum, 0)
    })
  )

  it.scoped("knows nothing of a file that has been closed", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* Effect.scoped(Layer.build(SqlRecordStore.layerFile(path)))
      const files = Context.get(
        yield* Layer.build(FileUpkeep.FileUpkeep.layer),
        FileUpkeep.FileUpkeep
      )
      assert.deepStrictEqual(yield* files.look, [])
      assert.isFalse(yield* files.checkpoint(path))
      assert.strictEqual(yield* files.release(path, 9), 0)
    })
  )
})
