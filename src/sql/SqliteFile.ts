/**
 * A `SqlClient` over one database file of ours. Invariant: what a transaction reports as
 * done is on the disk (WAL with synchronous FULL), the file is ours alone to read, and a
 * connection the disk has failed is replaced before it is trusted again.
 */
import { Reactivity } from "@effect/experimental"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Statement from "@effect/sql/Statement"
import { Context, Effect, Layer } from "effect"
import * as DatabaseLock from "./DatabaseLock.ts"
import * as DatabasePath from "./DatabasePath.ts"
import { OpenError } from "./OpenError.ts"
import * as OpenFiles from "./OpenFiles.ts"
import * as ReplaceableConnection from "./ReplaceableConnection.ts"
import { Scan } from "./Scan.ts"
import * as SqliteConnection from "./SqliteConnection.ts"
import { codeOf, messageOf } from "./SqlReason.ts"
import { AtOnce, settling, withFailingCommit } from "./Transaction.ts"

export interface SqliteFileOptions {
  readonly path: string
  /** The highest `user_version` we understand; a higher one is refused. */
  readonly userVersion: number
  /** True keeps other nodes out while it is open; false lets the operator's tools in. */
  readonly exclusive: boolean
}

/** How long a statement waits for another process's lock, in ms. */
const busyTimeout = 2000
/** A WAL that grew past this is cut back when it starts over, in octets. */
const walLimit = 64 * 1024 * 1024

const run = (connection: Connection, statement: string) =>
  connection.execute(statement, [], undefined)

/** What the driver reports by throwing, as an error. */
const driverErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catchAllDefect(effect, (defect) => Effect.fail(defect))

const connect = (path: string) =>
  Effect.tap(SqliteConnection.open(path), (connection) =>
    run(connection, `PRAGMA busy_timeout = ${busyTimeout}`)
  ).pipe(driverErrors)

/** The settings of a connection that writes; changes nothing that was stored. */
const arm = (connection: Connection) =>
  Effect.gen(function* () {
    // Takes effect in a new file only; in any other it stays as it was made.
    yield* run(connection, "PRAGMA auto_vacuum = INCREMENTAL")
    yield* run(connection, "PRAGMA journal_mode = WAL")
    // The driver's build makes WAL mean NORMAL, which may lose what was acknowledged.
    yield* run(connection, "PRAGMA synchronous = FULL")
    yield* run(connection, `PRAGMA journal_size_limit = ${walLimit}`)
  })

/** Refuses what we cannot or must not read, before anything is written. */
const inspect = (connection: Connection, { path, userVersion }: SqliteFileOptions) =>
  Effect.gen(function* () {
    const [version] = yield* run(connection, "PRAGMA user_version")
    if (version.user_version > userVersion)
      return yield* new OpenError({
        reason: "newer-schema",
        path,
        message: `${path} has schema version ${version.user_version}; this release knows up to ${userVersion}`
      })
    const [check] = yield* run(connection, "PRAGMA quick_check(1)")
    if (check.quick_check !== "ok")
      return yield* new OpenError({
        reason: "corrupt",
        path,
        message: `${path} is damaged (${check.quick_check}); restore a backup`
      })
  })

const toOpenError = (path: string) => (error: unknown) => {
  if (error instanceof OpenError) return error
  const code = codeOf(error)
  const reason = code.startsWith("SQLITE_NOTADB")
    ? "not-a-database"
    : code.startsWith("SQLITE_CORRUPT")
      ? "corrupt"
      : /^SQLITE_(CANTOPEN|READONLY|IOERR|FULL|PERM)/.test(code)
        ? "unwritable"
        : code.startsWith("SQLITE_BUSY")
          ? "in-use"
          : "other"
  return new OpenError({
    reason,
    path,
    message: `${path} cannot be opened: ${messageOf(error)}${code === "" ? "" : ` (${code})`}`
  })
}

const make = (options: SqliteFileOptions) =>
  Effect.gen(function* () {
    const path = yield* DatabasePath.prepareDirectory(options.path)
    if (options.exclusive) yield* DatabaseLock.acquire(path)
    yield* DatabasePath.createPrivately(path)
    yield* DatabasePath.refuseForeign(path)

    const connection = yield* ReplaceableConnection.make({
      first: Effect.tap(connect(path), (connection) =>
        driverErrors(Effect.zipRight(inspect(connection, { ...options, path }), arm(connection)))
      ),
      // The file may have gone, and SQLite would make an empty one.
      again: DatabasePath.exists(path).pipe(
        Effect.zipRight(connect(path)),
        Effect.tap((connection) => driverErrors(arm(connection)))
      ),
      farewell: (connection) => driverErrors(run(connection, "PRAGMA wal_checkpoint(TRUNCATE)"))
    })
    yield* DatabasePath.makePrivate(path)

    const client = yield* SqlClient.make({
      acquirer: connection.acquirer,
      transactionAcquirer: Effect.map(connection.transactionAcquirer, settling),
      beginTransaction: "BEGIN IMMEDIATE",
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
    yield* OpenFiles.register(path, client)
    return Context.make(SqlClient.SqlClient, withFailingCommit(client)).pipe(
      Context.add(AtOnce, connection.atOnce),
      Context.add(Scan, connection.scan)
    )
  }).pipe(Effect.mapError(toOpenError(options.path)))

/** Opens the file as its options say, creating it when missing. */
export const layer = (
  options: SqliteFileOptions
): Layer.Layer<SqlClient.SqlClient | AtOnce | Scan, OpenError> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
