/**
 * Brings a database to our schema. Invariant: a file another release has taken further is
 * refused before anything in it changes, and a step that fails leaves no trace.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect } from "effect"
import { OpenError } from "./OpenError.ts"
import * as PreMigration from "./PreMigration.ts"
import { messageOf } from "./SqlReason.ts"

/** Steps by `<number>_<name>`; a released step never changes. */
export type Steps = Readonly<Record<string, Effect.Effect<void, SqlError, SqlClient.SqlClient>>>

// Our own table: the reference neither reads nor minds it, and `user_version` stays the reference's.
const table = "dnsmesh_migrations"

const migrate = Migrator.make({})

const appliedStep = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const tables = yield* sql`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ${table}`
    if (tables.length === 0) return 0
    const [row] = yield* sql<{
      latest: number | null
    }>`SELECT max(migration_id) AS latest FROM ${sql(table)}`
    return row?.latest ?? 0
  })

const lastOf = (steps: Steps): number =>
  Math.max(0, ...Object.keys(steps).map((key) => Number.parseInt(key, 10)))

/** Whether the file on this connection has had exactly these steps. */
export const isCurrent =
  (steps: Steps) =>
  (connection: Connection): Effect.Effect<boolean> =>
    connection.execute(`SELECT max(migration_id) AS latest FROM ${table}`, [], undefined).pipe(
      Effect.map(([row]) => row?.latest === lastOf(steps)),
      // One that has had none of ours has no such table.
      Effect.orElseSucceed(() => false)
    )

/** What may be to do again in a file that another release has had meanwhile. */
export interface Upkeep {
  readonly isDue: Effect.Effect<boolean, SqlError, SqlClient.SqlClient>
  readonly run: Effect.Effect<void, SqlError, SqlClient.SqlClient>
}

/**
 * Runs the steps the database has not seen, then the upkeep if it is due. Before either changes
 * what is there, a copy of the file is kept.
 */
export const run = (options: {
  readonly steps: Steps
  readonly always?: Upkeep
}): Effect.Effect<void, OpenError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const path = yield* PreMigration.databaseFile(sql)
    const known = lastOf(options.steps)
    const applied = yield* appliedStep(sql)
    if (applied > known)
      return yield* new OpenError({
        reason: "newer-schema",
        path,
        message: `${path} was migrated to step ${applied}; this release knows up to ${known}`
      })
    const failed = (error: unknown) =>
      new OpenError({
        reason: "migration",
        path,
        message: `${path} could not be migrated and was left as it was: ${messageOf(
          error instanceof Migrator.MigrationError ? (error.cause ?? error) : error
        )}`
      })
    if (applied < known) yield* PreMigration.keep(sql, known)
    yield* migrate({ loader: Migrator.fromRecord(options.steps), table }).pipe(
      Effect.catchAllDefect(Effect.fail),
      Effect.mapError(failed)
    )
    const { always } = options
    if (always === undefined || !(yield* Effect.mapError(always.isDue, failed))) return
    if (applied >= known) yield* PreMigration.keep(sql, known)
    yield* Effect.mapError(always.run, failed)
  }).pipe(
    Effect.catchTag("SqlError", (error) =>
      Effect.fail(new OpenError({ reason: "other", path: "", message: messageOf(error) }))
    )
  )
