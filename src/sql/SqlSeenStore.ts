/** `SeenStore` over the `…_heartbeats.db` of any release. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Schema } from "effect"
import { type SeenRow, SeenStore, type StoredPin } from "../peers/SeenStore.ts"
import * as HostedStore from "./HostedStore.ts"
import { OpenError } from "./OpenError.ts"
import * as PreMigration from "./PreMigration.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { asStoreError, messageOf } from "./SqlReason.ts"
import { autocommit, transaction } from "./Transaction.ts"

/** The highest `user_version` understood. */
const version = 1

const schema = [
  // Ours alone, in a table of its own: the reference node reads and writes the other.
  `CREATE TABLE IF NOT EXISTS dnsmesh_key_pins (
    zone TEXT NOT NULL,
    operator_spk_hex TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    PRIMARY KEY (zone, operator_spk_hex)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS heartbeats_seen (
    operator_spk_hex TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    wire TEXT NOT NULL,
    ts INTEGER NOT NULL,
    exp INTEGER NOT NULL,
    version TEXT NOT NULL DEFAULT '',
    received_at INTEGER NOT NULL,
    remote_addr TEXT,
    PRIMARY KEY (operator_spk_hex, endpoint)
  )`,
  "CREATE INDEX IF NOT EXISTS idx_heartbeats_seen_ts ON heartbeats_seen(ts DESC)",
  "CREATE INDEX IF NOT EXISTS idx_heartbeats_seen_exp ON heartbeats_seen(exp)",
  "CREATE INDEX IF NOT EXISTS idx_heartbeats_seen_received ON heartbeats_seen(received_at)",
  `PRAGMA user_version = ${version}`
]

interface Row {
  readonly operator_spk_hex: string
  readonly endpoint: string
  readonly wire: string
  readonly ts: number
  readonly exp: number
  readonly version: string
  readonly received_at: number
  readonly remote_addr: string | null
}

const toSeen = (row: Row): SeenRow => ({
  operatorSpkHex: row.operator_spk_hex,
  endpoint: row.endpoint,
  wire: row.wire,
  ts: row.ts,
  exp: row.exp,
  version: row.version,
  receivedAt: row.received_at,
  source: row.remote_addr ?? ""
})

interface PinRow {
  readonly zone: string
  readonly operator_spk_hex: string
  readonly first_seen: number
  readonly last_seen: number
  readonly pinned: number
}

const toPin = (row: PinRow): StoredPin => ({
  zone: row.zone,
  operatorSpkHex: row.operator_spk_hex,
  firstSeen: row.first_seen,
  lastSeen: row.last_seen,
  pinned: row.pinned !== 0
})

const putPins = `INSERT OR REPLACE INTO dnsmesh_key_pins
    (zone, operator_spk_hex, first_seen, last_seen, pinned)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)`
const removePins = `DELETE FROM dnsmesh_key_pins WHERE (zone, operator_spk_hex) IN
  (SELECT value ->> 0, value ->> 1 FROM json_each(?))`
const pinColumns = (pins: ReadonlyArray<StoredPin>) =>
  JSON.stringify(
    pins.map(({ firstSeen, lastSeen, operatorSpkHex, pinned, zone }) => [
      zone,
      operatorSpkHex,
      firstSeen,
      lastSeen,
      pinned ? 1 : 0
    ])
  )

const put = `INSERT INTO heartbeats_seen
    (operator_spk_hex, endpoint, wire, ts, exp, version, received_at, remote_addr)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6, value ->> 7
  FROM json_each(?) WHERE true
  ON CONFLICT (operator_spk_hex, endpoint) DO UPDATE SET
    wire = excluded.wire, ts = excluded.ts, exp = excluded.exp, version = excluded.version,
    received_at = excluded.received_at, remote_addr = excluded.remote_addr
  WHERE excluded.ts >= heartbeats_seen.ts`

const sweepOver = "DELETE FROM heartbeats_seen WHERE exp <= ? RETURNING 1"
const sweepExcess = `DELETE FROM heartbeats_seen WHERE rowid IN (
    SELECT rowid FROM heartbeats_seen
    ORDER BY coalesce(remote_addr, '') LIKE 'seen:%' DESC, received_at
    LIMIT max(0, (SELECT count(*) FROM heartbeats_seen) - ?)
  ) RETURNING 1`

const make = (sql: SqlClient.SqlClient) =>
  SeenStore.of({
    put: (rows) =>
      asStoreError(
        Effect.asVoid(
          autocommit(
            sql,
            put,
            JSON.stringify(
              rows.map((row) => [
                row.operatorSpkHex,
                row.endpoint,
                row.wire,
                row.ts,
                row.exp,
                row.version,
                row.receivedAt,
                row.source
              ])
            )
          )
        )
      ),
    recent: (now, limit) =>
      asStoreError(
        Effect.map(
          sql<Row>`SELECT operator_spk_hex, endpoint, wire, ts, exp, version, received_at, remote_addr
            FROM heartbeats_seen WHERE exp > ${now} ORDER BY ts DESC LIMIT ${limit}`,
          (rows) => rows.map(toSeen)
        )
      ),
    forget: (spk, endpoint) =>
      asStoreError(
        Effect.asVoid(
          sql`DELETE FROM heartbeats_seen WHERE operator_spk_hex = ${spk} AND endpoint = ${endpoint}`
        )
      ),
    pins: asStoreError(
      Effect.map(
        sql<PinRow>`SELECT zone, operator_spk_hex, first_seen, last_seen, pinned
          FROM dnsmesh_key_pins`,
        (rows) => rows.map(toPin)
      )
    ),
    putPins: (pins) => asStoreError(Effect.asVoid(autocommit(sql, putPins, pinColumns(pins)))),
    removePins: (pins) =>
      asStoreError(Effect.asVoid(autocommit(sql, removePins, pinColumns(pins)))),
    sweep: (before, maxRows) =>
      asStoreError(
        transaction(sql, (run) =>
          Effect.zipWith(
            run(sweepOver, before),
            run(sweepExcess, maxRows),
            (over, excess) => over.length + excess.length
          )
        )
      )
  })

/** Whether anything is to change: the reference's layout, or the table of ours that is missing. */
const isDue = (sql: SqlClient.SqlClient) =>
  Effect.zipWith(
    PreMigration.isStamped(sql, version),
    sql`SELECT 1 FROM sqlite_schema WHERE name = 'dnsmesh_key_pins'`,
    (stamped, ours) => !stamped || ours.length === 0
  )

/** Creates the table where it is missing in what `SqlClient` has open at `path`. */
export const layer = (path: string): Layer.Layer<SeenStore, OpenError, SqlClient.SqlClient> =>
  Layer.effect(
    SeenStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.whenEffect(PreMigration.keep(sql, version), isDue(sql))
      yield* transaction(sql, (run) =>
        Effect.forEach(schema, (statement) => run(statement), { discard: true })
      )
      return make(sql)
    }).pipe(
      Effect.mapError(
        (error) => new OpenError({ reason: "migration", path, message: messageOf(error) })
      )
    )
  )

/** Over the file at `path`. */
export const layerFile = (path: string): Layer.Layer<SeenStore, OpenError> =>
  layer(path).pipe(
    Layer.provide(SqliteFile.layer({ path, userVersion: version, exclusive: false }))
  )

export const hosted = HostedStore.make(SeenStore, {
  name: "seen",
  errors: Schema.Never,
  members: {
    put: "call",
    recent: "call",
    forget: "call",
    pins: "effect",
    putPins: "call",
    removePins: "call",
    sweep: "call"
  },
  layer: layerFile
})
