/**
 * Reads all rows of a statement in one go, each given away as it comes: nothing is kept of it, so
 * a table of any size is read with a few kilobytes of heap. Nothing else is done meanwhile.
 */
import { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Context, Effect, Option } from "effect"

export type Row = ReadonlyArray<unknown>
export type Reading = (
  text: string,
  params: ReadonlyArray<unknown>,
  take: (row: Row) => void
) => Effect.Effect<void, SqlError>

/** How our own connections read. */
export class Scan extends Context.Tag("dnsmesh/sql/Scan")<Scan, Reading>() {}

/** What reads; over another client than ours all rows at once. */
export const scanner: Effect.Effect<Reading, never, SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient
  return Option.getOrElse(
    yield* Effect.serviceOption(Scan),
    (): Reading => (text, params, take) =>
      Effect.map(sql.unsafe(text, params).values, (rows) => rows.forEach((row) => take(row)))
  )
})
