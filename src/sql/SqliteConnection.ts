/**
 * One connection of the driver. The client's own looks each statement up in a cache made of
 * fibers and clocks, which took longer than SQLite takes for a small commit (bench/update.ts):
 * here a statement is prepared once and then is one synchronous call, in an effect or, by
 * `together`, without one. Invariant: a statement that could not be prepared is not remembered.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import Database, { type Statement } from "better-sqlite3"
import { Effect, type Scope, Stream } from "effect"
import type { Reading, Row } from "./Scan.ts"

/** A statement and what is bound to it. */
export type Bound = readonly [text: string, ...params: ReadonlyArray<unknown>]

export interface SqliteConnection extends Connection {
  /** Runs all of them at once, as one transaction. Throws `SqlError`: then it has changed nothing. */
  readonly together: (statements: ReadonlyArray<Bound>) => void
  readonly scan: Reading
}

/** Statements kept prepared; ours are fewer. */
const mostPrepared = 200

const make = (database: Database): SqliteConnection => {
  const prepared = new Map<string, Statement>()
  const prepare = (text: string): Statement => {
    const known = prepared.get(text)
    if (known !== undefined) return known
    try {
      const statement = database.prepare(text)
      if (prepared.size >= mostPrepared) prepared.clear()
      prepared.set(text, statement)
      return statement
    } catch (cause) {
      throw new SqlError({ cause, message: "Failed to prepare statement" })
    }
  }
  const execute = (text: string, params: ReadonlyArray<unknown>): ReadonlyArray<object> => {
    const statement = prepare(text)
    if (statement.reader) return statement.all(...params)
    statement.run(...params)
    return []
  }
  const arrays = (text: string, params: ReadonlyArray<unknown>): ReadonlyArray<Array<unknown>> => {
    const statement = prepare(text)
    if (!statement.reader) return (statement.run(...params), [])
    statement.raw(true)
    try {
      return statement.all(...params)
    } finally {
      statement.raw(false)
    }
  }
  const several = database.transaction((statements: ReadonlyArray<Bound>) => {
    for (const [text, ...params] of statements) execute(text, params)
  })
  const executing: Connection["execute"] = (text, params, transform) =>
    attempt(() => {
      const rows = execute(text, params)
      return transform === undefined ? rows : transform(rows)
    })
  return {
    execute: executing,
    executeUnprepared: executing,
    executeRaw: (text, params) => attempt(() => execute(text, params)),
    executeValues: (text, params) => attempt(() => arrays(text, params)),
    executeStream: () => Stream.dieMessage("SQLite statements are not streamed"),
    scan: (text, params, take) =>
      attempt(() => {
        const statement = prepare(text)
        statement.raw(true)
        try {
          for (const row of statement.iterate<Row>(...params)) take(row)
        } finally {
          statement.raw(false)
        }
      }),
    together: (statements) => {
      const [first, ...more] = statements
      try {
        if (first === undefined) return
        if (more.length > 0) several.immediate(statements)
        else execute(first[0], first.slice(1))
      } catch (cause) {
        throw toSqlError(cause)
      }
    }
  }
}

const toSqlError = (cause: unknown): SqlError =>
  cause instanceof SqlError
    ? cause
    : new SqlError({ cause, message: "Failed to execute statement" })

const attempt = <A>(run: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({ try: run, catch: toSqlError })

/** Opens the file, creating it when missing; closes it with the scope. */
export const open = (path: string): Effect.Effect<SqliteConnection, SqlError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(() => new Database(path)),
    (database) => Effect.sync(() => database.close())
  ).pipe(Effect.map(make))
