/**
 * Copies and looks at a database without being its node. Invariant: the source is opened
 * read-only or not at all, so nothing here changes it or leaves files beside it, and a copy is
 * one moment of it, WAL included.
 */
import { Reactivity } from "@effect/experimental"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Effect, Option } from "effect"
import { dirname } from "node:path"
import { type BackupError, because, refuse } from "./BackupError.ts"
import * as DatabaseAtRest from "./DatabaseAtRest.ts"
import { createPrivately } from "./DatabasePath.ts"

/** How long the copy waits for another process's lock, in ms. */
const busyTimeout = 10_000

export interface Description {
  readonly userVersion: number
  /** The last migration of ours; 0 in a file that only the reference node has had. */
  readonly step: number
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>
}

/** A connection to `path` that cannot write, until the scope closes. */
export const connection = (path: string) =>
  SqliteClient.make({ filename: path, readonly: true, disableWAL: true }).pipe(
    Effect.flatMap((client) => client.reserve),
    Effect.tap((connection) =>
      connection.execute(`PRAGMA busy_timeout = ${busyTimeout}`, [], undefined)
    ),
    Effect.catchAllDefect(Effect.fail),
    Effect.provide(Reactivity.layer)
  )

/** Gives `use` a connection to `path` that cannot write; `what` completes "cannot …". */
export const reading = <A>(
  path: string,
  what: string,
  use: (connection: Connection) => Effect.Effect<A, unknown>
): Effect.Effect<A, BackupError> =>
  connection(path).pipe(
    Effect.flatMap(use),
    Effect.catchAllDefect(Effect.fail),
    Effect.scoped,
    Effect.mapError(because(what))
  )

/**
 * Writes what `source` holds at this moment into `target`, a new file for its owner alone.
 * VACUUM INTO is one read transaction: writers go on, while the online backup interface would
 * start over at each of their commits. Blocks the thread it runs on.
 */
export const snapshot = (source: string, target: string): Effect.Effect<void, BackupError> =>
  createPrivately(target).pipe(
    Effect.mapError(because(`create ${target}`)),
    Effect.zipRight(DatabaseAtRest.copied(source, dirname(target))),
    Effect.map(Option.getOrElse(() => source)),
    Effect.flatMap((from) =>
      reading(from, `copy ${source}`, (connection) =>
        connection.execute("VACUUM INTO ?", [target], undefined)
      )
    ),
    Effect.scoped,
    Effect.asVoid
  )

/** The shape of a row is the statement's, written beside it. */
const rowsOf = <A>(connection: Connection, statement: string) =>
  Effect.map(connection.execute(statement, [], undefined), (rows): ReadonlyArray<A> => rows)

const quoted = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`

/** What a database says about itself. */
export const describe = (path: string): Effect.Effect<Description, BackupError> =>
  reading(path, `read ${path}`, (connection) =>
    Effect.gen(function* () {
      const [version] = yield* rowsOf<{ user_version: number }>(connection, "PRAGMA user_version")
      const tables = yield* rowsOf<{ name: string }>(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
      )
      const rows: Record<string, number> = {}
      for (const { name } of tables) {
        const [count] = yield* rowsOf<{ n: number }>(
          connection,
          `SELECT count(*) AS n FROM ${quoted(name)}`
        )
        rows[name] = count?.n ?? 0
      }
      const [step] =
        "dnsmesh_migrations" in rows
          ? yield* rowsOf<{ step: number | null }>(
              connection,
              "SELECT max(migration_id) AS step FROM dnsmesh_migrations"
            )
          : []
      return { userVersion: version?.user_version ?? 0, step: step?.step ?? 0, rows }
    })
  )

/** Fails unless every page, index and constraint of the database is sound. */
export const checkIntegrity = (path: string): Effect.Effect<void, BackupError> =>
  reading(path, `check ${path}`, (connection) =>
    Effect.gen(function* () {
      const found = yield* rowsOf<{ integrity_check: string }>(
        connection,
        "PRAGMA integrity_check(5)"
      )
      const problems = found.map((row) => row.integrity_check).filter((text) => text !== "ok")
      if (problems.length > 0 || found.length === 0)
        return yield* refuse(`${path} is damaged: ${problems.join("; ")}`)
    })
  )
