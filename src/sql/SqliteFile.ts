/**
 * A `SqlClient` over one database file of ours. Invariant: what a transaction reports as
 * done is on the disk (WAL with synchronous FULL), the file is ours alone to read, and a
 * connection the disk has failed is replaced before it is trusted again.
 */
import { Reactivity } from "@effect/experimental"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Statement from "@effect/sql/Statement"
import { Context, Effect, Layer, Scope } from "effect"
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
  /**
   * Whether nothing has to be written before the file can be read. A large file of which this is
   * true is opened unchecked, and whoever writes first looks for damage before.
   */
  readonly readable?: (connection: Connection) => Effect.Effect<boolean, unknown>
}

/** Of a file that nobody has looked through yet; nothing of one that has been. */
export class Unchecked extends Context.Tag("dnsmesh/sql/Unchecked")<
  Unchecked,
  | {
      /** Links resolved. */
      readonly path: string
      /** From now on upkeep may write to it too. */
      readonly writable: Effect.Effect<void>
    }
  | undefined
>() {}

/** How long a statement waits for another process's lock, in ms. */
const busyTimeout = 2000
/** Pages that are looked through in a few milliseconds. */
const quickPages = 2048
/**
 * Frames of the WAL after which they are written back. Most pages change again and again, and those
 * that do not are written back in better order: 64 new rows among a million cost a third less than
 * with SQLite's 1000 frames (bench/keys.ts), one row a tenth less. It takes 16 MB of disk.
 */
const checkpointFrames = 4000
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
    const [file] = yield* run(connection, "PRAGMA page_count")
    // Takes effect in a new file only; any other stays as it was made, but would be written.
    if (file.page_count === 0) yield* run(connection, "PRAGMA auto_vacuum = INCREMENTAL")
    yield* run(connection, "PRAGMA journal_mode = WAL")
    // The driver's build makes WAL mean NORMAL, which may lose what was acknowledged.
    yield* run(connection, "PRAGMA synchronous = FULL")
    yield* run(connection, `PRAGMA wal_autocheckpoint = ${checkpointFrames}`)
    yield* run(connection, `PRAGMA journal_size_limit = ${walLimit}`)
  })

/** Refuses a file that a page or an index of is unsound. */
export const refuseDamaged = (connection: Connection, path: string) =>
  Effect.gen(function* () {
    const [check] = yield* run(connection, "PRAGMA quick_check(1)")
    if (check.quick_check !== "ok")
      return yield* new OpenError({
        reason: "corrupt",
        path,
        message: damaged(path, check.quick_check)
      })
  })

export const damaged = (path: string, how: string): string =>
  // SQLite says it in several lines; a refusal is one.
  `${path} is damaged (${how.replaceAll("\n", " ")}); restore a backup`

/** True for a large file that arming and migrating would leave as it is. */
const canWait = (connection: Connection, { readable }: SqliteFileOptions) =>
  Effect.gen(function* () {
    if (readable === undefined) return false
    const [pages] = yield* run(connection, "PRAGMA page_count")
    const [journal] = yield* run(connection, "PRAGMA journal_mode")
    return (
      pages.page_count > quickPages &&
      journal.journal_mode === "wal" &&
      (yield* readable(connection))
    )
  })

/** Refuses what we cannot or must not read, before anything is written; yields whether all of it was read. */
const inspect = (connection: Connection, options: SqliteFileOptions) =>
  Effect.gen(function* () {
    const { path, userVersion } = options
    const [version] = yield* run(connection, "PRAGMA user_version")
    if (version.user_version > userVersion)
      return yield* new OpenError({
        reason: "newer-schema",
        path,
        message: `${path} has schema version ${version.user_version}; this release knows up to ${userVersion}`
      })
    if (yield* canWait(connection, options)) return false
    yield* refuseDamaged(connection, path)
    return true
  })

export const toOpenError = (path: string) => (error: unknown) => {
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

    let checked = true
    const connection = yield* ReplaceableConnection.make({
      first: Effect.tap(connect(path), (connection) =>
        driverErrors(
          Effect.gen(function* () {
            checked = yield* inspect(connection, { ...options, path })
            yield* arm(connection)
          })
        )
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
    const register = OpenFiles.register(path, client)
    if (checked) yield* register
    const scope = yield* Effect.scope
    return Context.make(SqlClient.SqlClient, withFailingCommit(client)).pipe(
      Context.add(AtOnce, connection.atOnce),
      Context.add(Scan, connection.scan),
      Context.add(
        Unchecked,
        checked ? undefined : { path, writable: Scope.extend(register, scope) }
      )
    )
  }).pipe(Effect.mapError(toOpenError(options.path)))

/** Opens the file as its options say, creating it when missing. */
export const layer = (
  options: SqliteFileOptions
): Layer.Layer<SqlClient.SqlClient | AtOnce | Scan | Unchecked, OpenError> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
