import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { statSync } from "node:fs"
import { join } from "node:path"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import * as SqliteFile from "../../src/sql/SqliteFile.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { RecordStore, type StoreError } from "../../src/zone/RecordStore.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { liveNames, now, put, remove, start, suite } from "../zone/RecordStoreSuite.ts"

suite("SQLite in memory", () =>
  SqlRecordStore.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })))
)
suite("SQLite in a file", () =>
  Layer.unwrapScoped(
    Effect.map(tempDirectory, (directory) => SqlRecordStore.layerFile(join(directory, "dmp.db")))
  )
)
suite("SQLite on the store thread", () =>
  Layer.unwrapScoped(
    Effect.map(tempDirectory, (directory) =>
      StoreThread.layer({ dbPath: join(directory, "dmp.db") })
    )
  )
)

describe("SqlRecordStore", () => {
  it.scoped("counts from the new stamps after a restart, once rows were stamped anew", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const session = <A, E>(body: (store: RecordStore["Type"]) => Effect.Effect<A, E>) =>
        Effect.provide(Effect.flatMap(RecordStore, body), SqlRecordStore.layerFile(path))
      yield* TestClock.setTime(now * 1000 + 9_000_000)
      yield* session((store) =>
        Effect.zipRight(
          store.commit([put("a", "1"), put("b", "1")]),
          store.commit([remove("a", "1")])
        )
      )
      yield* TestClock.setTime(now * 1000)
      yield* session((store) =>
        Effect.zipRight(
          store.restamp(now * 1000 + 60_000, 9),
          store.restamp(now * 1000 + 60_001, 9)
        )
      )
      assert.strictEqual(yield* session(({ newest }) => newest), now * 1000 + 60_001)
    })
  )

  it.scoped.each(["in its own thread", "on the store thread"])(
    "says that its rows do not fit into the memory of the zone, %s",
    (where) =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "dmp.db")
        const layer =
          where === "on the store thread"
            ? StoreThread.layer({ dbPath: path })
            : SqlRecordStore.layerFile(path)
        yield* Effect.gen(function* () {
          const store = yield* RecordStore
          yield* store.commit(Array.from({ length: 200 }, (_, n) => put(`n${n}`, "x".repeat(2000))))
          const small = new LiveZone(now, undefined, 2 ** 20)
          const error = yield* Effect.flip(store.fill(small.memory, now))
          assert.strictEqual(error._tag, "StoreError")
          assert.strictEqual(error.message, "the memory of the live zone is full at 1 MiB")
          const large = new LiveZone(now, undefined, 2 ** 22)
          yield* store.fill(large.memory, now)
          large.refresh()
          assert.strictEqual(large.valueCount, 200)
        }).pipe(Effect.provide(layer))
      })
  )

  it.scoped("never repeats a stored_ts over a restart with a clock set back", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const session = <A, E>(body: Effect.Effect<A, E, RecordStore>) =>
        Effect.provide(body, SqlRecordStore.layerFile(path))
      yield* TestClock.setTime(now * 1000)
      yield* session(
        Effect.gen(function* () {
          const store = yield* RecordStore
          for (const change of [put("a", "1"), put("a", "2"), put("a", "3", now)])
            yield* store.commit([change])
          yield* store.commit([remove("a", "2")])
          yield* store.sweep(now, 10)
        })
      )
      yield* TestClock.setTime(now * 1000 - 3_600_000)
      const digest = yield* session(
        Effect.gen(function* () {
          const store = yield* RecordStore
          yield* store.commit([put("b", "1")])
          return yield* store.digest(start, 10, now)
        })
      )
      assert.deepStrictEqual(
        digest.map(({ owner, storedTs }) => [owner, storedTs - now * 1000]),
        [
          ["a", 0],
          ["b", 3]
        ]
      )
    })
  )

  it.scoped("tells the sizes of its files", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const usage = yield* Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("a", "1")])
        return yield* store.usage(now)
      }).pipe(Effect.provide(SqlRecordStore.layerFile(path)))
      assert.isAbove(usage.walBytes, 0)
      assert.isAtLeast(usage.databaseBytes, 4096)
      assert.isAbove(statSync(path).size, 4096, "closing carried the WAL over")
    })
  )

  it.scopedLive(
    "says why it could not write, keeps what it had, and writes again when it can",
    () =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "dmp.db")
        const client = SqliteFile.layer({ path, userVersion: 0, exclusive: true })
        yield* Effect.gen(function* () {
          const store = yield* RecordStore
          const sql = yield* SqlClient.SqlClient
          yield* store.commit([put("a", "1")])
          const refused = (reason: StoreError["reason"]) =>
            Effect.gen(function* () {
              const failed = yield* Effect.flip(store.commit([put("a", reason), remove("a", "1")]))
              assert.strictEqual(failed.reason, reason)
            })

          yield* sql`PRAGMA query_only = 1`
          yield* refused("read-only")
          yield* store.probe
          assert.deepStrictEqual(yield* liveNames(), ["a 1"])

          yield* Effect.flatMap(SqlClient.SqlClient, (other) =>
            other.withTransaction(
              Effect.zipRight(
                other`UPDATE dnsmesh_meta SET value = 7 WHERE key = 'probes'`,
                refused("locked")
              )
            )
          ).pipe(Effect.provide(SqliteClient.layer({ filename: path })))
          assert.deepStrictEqual(yield* liveNames(), ["a 1"])
          yield* store.commit([put("b", "2")])
          assert.deepStrictEqual(yield* liveNames(), ["a 1", "b 2"])
        }).pipe(Effect.provide(Layer.provideMerge(SqlRecordStore.layer, client)))
      })
  )
})
