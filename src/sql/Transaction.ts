/**
 * A write transaction whose failure is a value. The client's own `withTransaction` turns a
 * COMMIT that fails, as on a full disk, into a defect and leaves the transaction open.
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect } from "effect"

/** Runs one statement of the transaction; yields its rows, none unless it returns some. */
export type Run = (
  statement: string,
  ...params: ReadonlyArray<unknown>
) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

/** Everything `body` runs becomes durable together, or nothing does. Cannot be interrupted. */
export const transaction = <A, E>(
  sql: SqlClient,
  body: (run: Run) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  Effect.gen(function* () {
    const connection = yield* sql.reserve
    const run: Run = (statement, ...params) => connection.execute(statement, params, undefined)
    yield* run("BEGIN IMMEDIATE")
    return yield* body(run).pipe(
      Effect.zipLeft(run("COMMIT")),
      // SQLite has taken some failures back by itself and then knows of no transaction.
      Effect.onError(() => Effect.ignore(run("ROLLBACK")))
    )
  }).pipe(Effect.scoped, Effect.uninterruptible)

/** One statement that is its own transaction. */
export const autocommit = (
  sql: SqlClient,
  statement: string,
  ...params: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, SqlError> =>
  Effect.flatMap(sql.reserve, (connection) =>
    connection.execute(statement, params, undefined)
  ).pipe(Effect.scoped, Effect.uninterruptible)
