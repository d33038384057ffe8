/**
 * A write transaction whose failure is a value. The client's own `withTransaction` turns a
 * COMMIT that fails, as on a full disk, into a defect and leaves the transaction open.
 */
import { SqlClient, TransactionConnection } from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import { Context, Effect, type Exit, Option } from "effect"
import type { Bound } from "./SqliteConnection.ts"

/** Runs one statement of the transaction; yields its rows, none unless it returns some. */
export type Run = (
  statement: string,
  ...params: ReadonlyArray<unknown>
) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

/**
 * Everything `body` runs, by `run` or by the client, becomes durable together, or nothing
 * does. Cannot be interrupted.
 */
export const transaction = <A, E>(
  sql: SqlClient,
  body: (run: Run) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  Effect.gen(function* () {
    const connection = yield* sql.reserve
    const run: Run = (statement, ...params) => connection.execute(statement, params, undefined)
    yield* run("BEGIN IMMEDIATE")
    return yield* body(run).pipe(
      Effect.provideService(TransactionConnection, [connection, 0]),
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

/**
 * Writes without a fiber: `undefined`, and nothing done, when the connection is not free. A commit
 * of one row cost twice as much with one (bench/update.ts).
 */
export class AtOnce extends Context.Tag("dnsmesh/sql/AtOnce")<
  AtOnce,
  (statements: ReadonlyArray<Bound>) => Exit.Exit<void, SqlError> | undefined
>() {}

/** What writes statements that become durable together, at once where that can be. */
export const writer: Effect.Effect<
  (statements: ReadonlyArray<Bound>) => Effect.Effect<void, SqlError>,
  never,
  SqlClient
> = Effect.gen(function* () {
  const sql = yield* SqlClient
  const atOnce = Option.getOrElse(yield* Effect.serviceOption(AtOnce), () => () => undefined)
  const inTurn = (statements: ReadonlyArray<Bound>) =>
    transaction(sql, (run) =>
      Effect.forEach(statements, (statement) => run(...statement), { discard: true })
    )
  return (statements) => atOnce(statements) ?? inTurn(statements)
})

/** A connection on which a COMMIT that fails leaves no transaction open. */
export const settling = (connection: Connection): Connection => ({
  ...connection,
  executeUnprepared: (text, params, transform) => {
    const executed = connection.executeUnprepared(text, params, transform)
    return text === "COMMIT"
      ? Effect.tapError(executed, () =>
          Effect.ignore(connection.execute("ROLLBACK", [], undefined))
        )
      : executed
  }
})

/** The client with a `withTransaction` that fails, instead of dying, when COMMIT does. */
export const withFailingCommit = (client: SqlClient): SqlClient => {
  const { withTransaction } = client
  return Object.assign(client, {
    withTransaction: <R, E, A>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      withTransaction(self).pipe(
        Effect.catchSomeDefect((defect) =>
          defect instanceof SqlError ? Option.some(Effect.fail(defect)) : Option.none()
        )
      )
  })
}
