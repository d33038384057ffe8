/**
 * The records over SQLite. Invariants: a commit is one transaction of at most three
 * statements however many rows it has, and no two share a `stored_ts`, across restarts too.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect, Exit, Layer, Option, Runtime, Stream } from "effect"
import { stat } from "node:fs/promises"
import * as Name from "../wire/Name.ts"
import { LiveZone } from "../zone/LiveZone.ts"
import type { LiveRow, RecordStore } from "../zone/RecordStore.ts"
import type { StoredTxt } from "../zone/TxtRecord.ts"
import * as HostedStore from "./HostedStore.ts"
import * as Migrations from "./Migrations.ts"
import { OpenError } from "./OpenError.ts"
import { passingThrough } from "./PassingThrough.ts"
import * as PreMigration from "./PreMigration.ts"
import type { Packed } from "./RecordChanges.ts"
import * as RecordOpening from "./RecordOpening.ts"
import { RecordRows } from "./RecordRows.ts"
import * as RecordSchema from "./RecordSchema.ts"
import * as RecordWrites from "./RecordWrites.ts"
import { scanner } from "./Scan.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { asStoreError, toStoreError } from "./SqlReason.ts"
import { autocommit, transaction, writer } from "./Transaction.ts"

/** Rows read by one statement of `live`. */
const livePage = 500

const everyLive = `SELECT name, value, expires_at FROM records
  WHERE +expires_at > ? ORDER BY stored_ts, rowid`

const sweep = `DELETE FROM records WHERE rowid IN
  (SELECT rowid FROM records WHERE expires_at <= ? ORDER BY expires_at LIMIT ?) RETURNING 1`

const markSerial = `INSERT INTO dnsmesh_meta (key, value) VALUES ('serial-mark', ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value`

const restamp = `UPDATE records SET stored_ts = ? WHERE rowid IN (
  SELECT rowid FROM records WHERE stored_ts > ?
  ORDER BY stored_ts, name, value_hash LIMIT ?) RETURNING 1`

interface Row {
  readonly rowid: number
  readonly name: string
  readonly value: string
  readonly ttl: number
  readonly created_at: number
  readonly expires_at: number
  readonly stored_ts: number
}

const toStored = (row: Row): StoredTxt => ({
  owner: Name.unsafeMake(row.name),
  value: row.value,
  ttl: row.ttl,
  createdAt: row.created_at,
  expiresAt: row.expires_at
})

/** By stored_ts, then rowid: what one commit wrote comes in its order, as far as a page goes. */
const asWritten = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): number =>
  Number(a[3]) - Number(b[3]) || Number(a[6]) - Number(b[6])

/** Octets of a file; 0 when there is none. */
const fileBytes = (path: string) =>
  Effect.tryPromise(() => stat(path)).pipe(
    Effect.match({ onSuccess: ({ size }) => size, onFailure: () => 0 })
  )

const isDone = (written: Effect.Effect<void, unknown>): written is Exit.Exit<void> =>
  Exit.isExit(written) && Exit.isSuccess(written)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const write = yield* writer
  const scan = yield* scanner
  let lastStored = 0
  const readMark = Effect.map(
    sql<{ last: number }>`SELECT max(
      (SELECT value FROM dnsmesh_meta WHERE key = 'stored-mark'),
      (SELECT coalesce(max(stored_ts), 0) FROM records)) AS last`,
    ([start]) => {
      lastStored = start?.last ?? 0
    }
  )

  const opening = yield* RecordOpening.make(readMark)

  const commit = ({ now, puts, removals }: Packed): Effect.Effect<void, SqlError> => {
    // Taken even if the commit fails: a gap harms nobody, a repetition hides a row from peers.
    if (puts !== "") lastStored = Math.max(lastStored + 1, now)
    const statements = RecordWrites.statements({ puts, removals }, lastStored)
    return statements.length === 0 ? Exit.void : write(statements)
  }

  const runCallback = Runtime.runCallback(yield* Effect.runtime())
  // Mostly the connection is free and all is done at once.
  const submit: RecordRows["Type"]["submit"] = (changes, told) => {
    const written = commit(changes)
    if (isDone(written)) told(written)
    else runCallback(asStoreError(written), { onExit: told })
  }

  const livePages = (now: number) =>
    Stream.paginateEffect([-1, "", "", 0], (after: ReadonlyArray<unknown>) =>
      Effect.map(
        sql`SELECT name, value, expires_at, stored_ts, name, value_hash, rowid FROM records
          WHERE (stored_ts, name, value_hash, rowid) > (${after[0]}, ${after[1]}, ${after[2]}, ${after[3]})
            AND +expires_at > ${now}
          ORDER BY stored_ts, name, value_hash, rowid LIMIT ${livePage}`.values,
        (rows) => {
          const last = rows.length < livePage ? undefined : rows.at(-1)
          return [rows.toSorted(asWritten), Option.fromNullable(last?.slice(3))] as const
        }
      )
    )

  return RecordRows.of({
    ...opening,
    submit,
    live: (now) =>
      livePages(now).pipe(
        // A name no query can ask for is kept, but is nothing to answer with.
        Stream.map((rows) =>
          rows.flatMap(([name, value, expiresAt]): ReadonlyArray<LiveRow> =>
            Option.match(Name.parse(String(name)), {
              onNone: () => [],
              onSome: (owner) => [[owner, String(value), Number(expiresAt)]]
            })
          )
        ),
        Stream.filter((rows) => rows.length > 0),
        Stream.mapError(toStoreError)
      ),
    fill: (memory, now) =>
      Effect.suspend(() => {
        const zone = new LiveZone(now, memory)
        return scan(everyLive, [now], ([name, value, expiresAt]) =>
          zone.load(String(name), String(value), Number(expiresAt))
        )
      }).pipe(passingThrough, Effect.provideService(SqlClient.SqlClient, sql), asStoreError),
    sweep: (now, limit) =>
      transaction(sql, (run) =>
        // The highest stored_ts outlives its row, lest a clock set back gives it out again.
        Effect.zipLeft(run(sweep, now, limit), run(RecordWrites.mark, lastStored))
      ).pipe(
        Effect.map((rows) => rows.length),
        asStoreError
      ),
    digest: (after, limit, now) =>
      sql<{ stored_ts: number; name: string; value_hash: string; expires_at: number }>`
        SELECT stored_ts, name, value_hash, expires_at FROM records
        WHERE (stored_ts, name, value_hash) > (${after.storedTs}, ${after.owner}, ${after.valueHash})
          AND +expires_at > ${now}
        ORDER BY stored_ts, name, value_hash LIMIT ${limit}`.pipe(
        Effect.map((rows) =>
          rows.map((row) => ({
            storedTs: row.stored_ts,
            owner: row.name,
            valueHash: row.value_hash,
            expiresAt: row.expires_at
          }))
        ),
        asStoreError
      ),
    rowsAt: (owners, now) =>
      sql<Row>`SELECT rowid, name, value, ttl, created_at, expires_at, stored_ts FROM records
        WHERE name IN (SELECT value FROM json_each(${JSON.stringify(owners)}))
          AND +expires_at > ${now} ORDER BY name, stored_ts, rowid`.pipe(
        Effect.map((rows) => rows.map(toStored)),
        asStoreError
      ),
    newest: Effect.sync(() => lastStored),
    restamp: (to, limit) =>
      transaction(sql, (run) =>
        Effect.flatMap(run(restamp, to, to, limit), (rows) => {
          if (rows.length > 0) return Effect.succeed(rows.length)
          // Not before every row is below it: the mark is what a restart counts from.
          const below = Math.min(lastStored, to)
          return run(RecordWrites.mark, below).pipe(
            Effect.as(0),
            Effect.tap(() => void (lastStored = below))
          )
        })
      ).pipe(asStoreError),
    serialMark: sql<{ value: number }>`
      SELECT value FROM dnsmesh_meta WHERE key = 'serial-mark'`.pipe(
      Effect.map(([row]) => row?.value),
      asStoreError
    ),
    markSerial: (serial) => autocommit(sql, markSerial, serial).pipe(Effect.asVoid, asStoreError),
    probe: autocommit(sql, "UPDATE dnsmesh_meta SET value = value + 1 WHERE key = 'probes'").pipe(
      Effect.asVoid,
      asStoreError
    ),
    usage: (now) =>
      Effect.gen(function* () {
        const [row] = yield* sql<{ expired: number; bytes: number }>`
          SELECT (SELECT count(*) FROM records WHERE expires_at <= ${now}) AS expired,
                 (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS bytes`
        const file = yield* PreMigration.databaseFile(sql)
        return {
          databaseBytes: file === "" ? (row?.bytes ?? 0) : yield* fileBytes(file),
          walBytes: file === "" ? 0 : yield* fileBytes(`${file}-wal`),
          expiredRows: row?.expired ?? 0
        }
      }).pipe(asStoreError)
  })
})

const rows: Layer.Layer<RecordRows, OpenError, SqlClient.SqlClient> = Layer.effect(
  RecordRows,
  make.pipe(Effect.catchTag("SqlError", (error) => Effect.die(error)))
)

/** Migrates the database the client is connected to and keeps the records in it. */
export const layer: Layer.Layer<RecordStore, OpenError, SqlClient.SqlClient> = Layer.provide(
  RecordRows.toStore,
  rows
)

const rowsFile = (path: string): Layer.Layer<RecordRows, OpenError> =>
  rows.pipe(Layer.provide(SqliteFile.layer({ path, userVersion: 0, exclusive: true })))

const rowsFileAtOnce = (path: string): Layer.Layer<RecordRows, OpenError> =>
  rows.pipe(
    Layer.provide(
      SqliteFile.layer({
        path,
        userVersion: 0,
        exclusive: true,
        readable: Migrations.isCurrent(RecordSchema.steps)
      })
    )
  )

/** The records in the database file at `path`, which no other node may have open. */
export const layerFile = (path: string): Layer.Layer<RecordStore, OpenError> =>
  Layer.provide(RecordRows.toStore, rowsFile(path))

/** For the store thread, whence `CheckedRecords` makes the store of it. */
export const hosted = HostedStore.make(RecordRows, {
  name: "records",
  errors: OpenError,
  members: {
    unchecked: "effect",
    check: "effect",
    settle: "effect",
    submit: "submit",
    live: "streamCall",
    fill: "call",
    sweep: "call",
    digest: "call",
    rowsAt: "call",
    newest: "effect",
    restamp: "call",
    serialMark: "effect",
    markSerial: "call",
    probe: "effect",
    usage: "call"
  },
  layer: rowsFileAtOnce
})
