import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { SeenStore } from "../../src/peers/SeenStore.ts"
import * as SqlSeenStore from "../../src/sql/SqlSeenStore.ts"
import * as SqlSyncState from "../../src/sql/SqlSyncState.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import * as SeenSuite from "../peers/SeenStoreSuite.ts"
import * as SyncSuite from "../peers/SyncStateSuite.ts"

const inMemory = SqliteClient.layer({ filename: ":memory:" })

SyncSuite.suite("SQLite", () => SqlSyncState.layer.pipe(Layer.provide(inMemory)))
SeenSuite.suite("SQLite", () => SqlSeenStore.layer(":memory:").pipe(Layer.provide(inMemory)))
SyncSuite.suite("SQLite on the store thread", () =>
  Layer.unwrapScoped(
    Effect.map(tempDirectory, (directory) =>
      StoreThread.host(SqlSyncState.hosted, { path: join(directory, "dmp_sync.db") }).pipe(
        Layer.provide(StoreThread.layerThread)
      )
    )
  )
)

describe("SqlSeenStore", () => {
  it.scoped("opens a database the reference node made, and reads its rows", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp_heartbeats.db")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE heartbeats_seen (
          operator_spk_hex TEXT NOT NULL, endpoint TEXT NOT NULL, wire TEXT NOT NULL,
          ts INTEGER NOT NULL, exp INTEGER NOT NULL, version TEXT NOT NULL DEFAULT '',
          received_at INTEGER NOT NULL, remote_addr TEXT,
          PRIMARY KEY (operator_spk_hex, endpoint))`
        yield* sql`INSERT INTO heartbeats_seen VALUES ('aa', 'https://a', 'wire', 5, 50, '', 6, NULL)`
        yield* sql`PRAGMA user_version = 1`
      }).pipe(Effect.provide(SqliteClient.layer({ filename: path })))
      const rows = yield* SeenStore.pipe(
        Effect.flatMap((store) => store.recent(0, 9)),
        Effect.provide(SqlSeenStore.layerFile(path))
      )
      assert.deepStrictEqual(rows, [
        {
          operatorSpkHex: "aa",
          endpoint: "https://a",
          wire: "wire",
          ts: 5,
          exp: 50,
          version: "",
          receivedAt: 6,
          source: ""
        }
      ])
    })
  )
})
