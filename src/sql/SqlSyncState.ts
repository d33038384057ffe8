/** `SyncState` over a file of its own beside the records: `…_sync.db`. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Schema } from "effect"
import { type StoredDeletion, SyncState, type Watermark } from "../peers/SyncState.ts"
import * as HostedStore from "./HostedStore.ts"
import * as Migrations from "./Migrations.ts"
import type { OpenError } from "./OpenError.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { asStoreError } from "./SqlReason.ts"
import { autocommit } from "./Transaction.ts"

const steps: Migrations.Steps = {
  "1_initial": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE watermarks (
      peer TEXT PRIMARY KEY,
      stored_ts INTEGER NOT NULL,
      owner TEXT NOT NULL,
      value_hash TEXT NOT NULL,
      deletions_seen INTEGER NOT NULL
    )`
    yield* sql`CREATE TABLE deletions (
      owner TEXT NOT NULL,
      value_hash TEXT NOT NULL,
      dead INTEGER NOT NULL,
      version INTEGER NOT NULL,
      at INTEGER NOT NULL,
      keep_until INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      PRIMARY KEY (owner, value_hash)
    ) WITHOUT ROWID`
    yield* sql`CREATE INDEX deletions_seq ON deletions(seq)`
    yield* sql`CREATE INDEX deletions_keep_until ON deletions(keep_until)`
  }),
  "2_signing_peers": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE signing_peers (peer TEXT PRIMARY KEY) WITHOUT ROWID`
  })
}

interface WatermarkRow {
  readonly peer: string
  readonly stored_ts: number
  readonly owner: string
  readonly value_hash: string
  readonly deletions_seen: number
}

interface DeletionRow {
  readonly owner: string
  readonly value_hash: string
  readonly dead: number
  readonly version: number
  readonly at: number
  readonly keep_until: number
  readonly seq: number
}

const toWatermark = (row: WatermarkRow): Watermark => ({
  peer: row.peer,
  storedTs: row.stored_ts,
  owner: row.owner,
  valueHash: row.value_hash,
  deletionsSeen: row.deletions_seen
})

const toDeletion = (row: DeletionRow): StoredDeletion => ({
  owner: row.owner,
  valueHash: row.value_hash,
  dead: row.dead !== 0,
  version: row.version,
  at: row.at,
  keepUntil: row.keep_until,
  seq: row.seq
})

const saveDeletions = `INSERT OR REPLACE INTO deletions
    (owner, value_hash, dead, version, at, keep_until, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM json_each(?)`

const sweepDeletions = `DELETE FROM deletions WHERE (owner, value_hash) IN
  (SELECT owner, value_hash FROM deletions WHERE keep_until <= ? LIMIT ?) RETURNING 1`

const make = (sql: SqlClient.SqlClient) =>
  SyncState.of({
    watermarks: asStoreError(
      Effect.map(
        sql<WatermarkRow>`SELECT peer, stored_ts, owner, value_hash, deletions_seen FROM watermarks`,
        (rows) => rows.map(toWatermark)
      )
    ),
    saveWatermark: ({ deletionsSeen, owner, peer, storedTs, valueHash }) =>
      asStoreError(
        Effect.asVoid(
          sql`INSERT OR REPLACE INTO watermarks (peer, stored_ts, owner, value_hash, deletions_seen)
            VALUES (${peer}, ${storedTs}, ${owner}, ${valueHash}, ${deletionsSeen})`
        )
      ),
    forgetWatermark: (peer) =>
      asStoreError(Effect.asVoid(sql`DELETE FROM watermarks WHERE peer = ${peer}`)),
    signingPeers: asStoreError(
      Effect.map(sql<{ readonly peer: string }>`SELECT peer FROM signing_peers`, (rows) =>
        rows.map(({ peer }) => peer)
      )
    ),
    saveSigningPeer: (peer) =>
      asStoreError(Effect.asVoid(sql`INSERT OR IGNORE INTO signing_peers (peer) VALUES (${peer})`)),
    forgetSigningPeer: (peer) =>
      asStoreError(Effect.asVoid(sql`DELETE FROM signing_peers WHERE peer = ${peer}`)),
    deletions: (now) =>
      asStoreError(
        Effect.map(
          sql<DeletionRow>`SELECT owner, value_hash, dead, version, at, keep_until, seq
            FROM deletions WHERE keep_until > ${now} ORDER BY seq`,
          (rows) => rows.map(toDeletion)
        )
      ),
    saveDeletions: (deletions) =>
      asStoreError(
        Effect.asVoid(
          autocommit(
            sql,
            saveDeletions,
            JSON.stringify(
              deletions.map(({ at, dead, keepUntil, owner, seq, valueHash, version }) => [
                owner,
                valueHash,
                dead ? 1 : 0,
                version,
                at,
                keepUntil,
                seq
              ])
            )
          )
        )
      ),
    sweepDeletions: (now, limit) =>
      asStoreError(Effect.map(autocommit(sql, sweepDeletions, now, limit), (rows) => rows.length))
  })

export const layer: Layer.Layer<SyncState, OpenError, SqlClient.SqlClient> = Layer.effect(
  SyncState,
  Effect.zipRight(Migrations.run({ steps }), Effect.map(SqlClient.SqlClient, make))
)

export const hosted = HostedStore.make(SyncState, {
  name: "sync-state",
  errors: Schema.Never,
  members: {
    watermarks: "effect",
    saveWatermark: "call",
    forgetWatermark: "call",
    signingPeers: "effect",
    saveSigningPeer: "call",
    forgetSigningPeer: "call",
    deletions: "call",
    saveDeletions: "call",
    sweepDeletions: "call"
  },
  layer: (path) =>
    layer.pipe(Layer.provide(SqliteFile.layer({ path, userVersion: 0, exclusive: true })))
})
