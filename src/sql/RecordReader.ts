/**
 * The rows of a record database, read beside whatever node has it open. Invariant: nothing is
 * written, no statement reads more than one page, and a row is handed out as SQLite holds it:
 * what is wrong with it is for the reader to say.
 */
import { Effect, Option, Stream } from "effect"
import { type BackupError, because } from "./BackupError.ts"
import * as DatabaseCopy from "./DatabaseCopy.ts"

/** One row; in a damaged or foreign database a column may hold anything. */
export interface RawRow {
  readonly name: unknown
  readonly value: unknown
  readonly ttl: unknown
  readonly created_at: unknown
  readonly expires_at: unknown
  /** 0 where the database has no such column. */
  readonly stored_ts: unknown
  /** Empty where the database has no such column. */
  readonly value_hash: unknown
}

/** Which rows; everything that is set must hold. Times are Unix seconds. */
export interface Choice {
  /** A whole name in canonical form. */
  readonly name?: string
  /** A name with `*` and `?`. */
  readonly glob?: string
  /** Only rows that are live then. */
  readonly liveAt?: number
  /** Only rows that are over by then. */
  readonly endedBy?: number
}

const page = 500

type Connection = Effect.Effect.Success<ReturnType<typeof DatabaseCopy.connection>>

const query = (
  connection: Connection,
  statement: string,
  params: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<RawRow>, unknown> =>
  Effect.catchAllDefect(connection.execute(statement, params, undefined), Effect.fail)

/** The columns that the database has, or what stands for them. */
const columns = (connection: Connection) =>
  Effect.map(
    query(connection, "SELECT name FROM pragma_table_info('records')", []),
    (rows): string => {
      const has = (column: string) => rows.some(({ name }) => name === column)
      const stored = has("stored_ts") ? "stored_ts" : "0 AS stored_ts"
      const hash = has("value_hash") ? "value_hash" : "'' AS value_hash"
      return `name, value, ttl, created_at, expires_at, ${stored}, ${hash}`
    }
  )

const conditions = ({ endedBy, glob, liveAt, name }: Choice) =>
  [
    ["name = ?", name],
    ["name GLOB ?", glob],
    ["+expires_at > ?", liveAt],
    ["+expires_at <= ?", endedBy]
  ].filter(([, value]) => value !== undefined)

/** The chosen rows in order of name and value, page by page. */
export const rows = (
  path: string,
  choice: Choice
): Stream.Stream<ReadonlyArray<RawRow>, BackupError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const connection = yield* DatabaseCopy.connection(path)
      const selected = yield* columns(connection)
      const wanted = conditions(choice)
      const after = (last: RawRow | undefined) => {
        const all = last === undefined ? wanted : [...wanted, ["(name, value) > (?, ?)"]]
        const where = all.length === 0 ? "" : ` WHERE ${all.map(([text]) => text).join(" AND ")}`
        const params = wanted.map(([, value]) => value)
        return query(
          connection,
          `SELECT ${selected} FROM records${where} ORDER BY name, value LIMIT ${page}`,
          last === undefined ? params : [...params, last.name, last.value]
        )
      }
      return Stream.paginateEffect<RawRow | undefined, ReadonlyArray<RawRow>, unknown, never>(
        undefined,
        (last) =>
          Effect.map(after(last), (read) => [
            read,
            read.length < page ? Option.none() : Option.fromNullable(read.at(-1))
          ])
      )
    })
  ).pipe(Stream.mapError(because(`read ${path}`)))
