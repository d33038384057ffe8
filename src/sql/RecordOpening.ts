/**
 * Brings the file of the records to where rows can be written: on opening, or, if it was opened
 * without having been looked through, when whoever had it looked through says so. Invariant: until
 * then nothing in it changes, while everything can be read.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect, Option } from "effect"
import * as Migrations from "./Migrations.ts"
import { passingThrough } from "./PassingThrough.ts"
import type { RecordRows } from "./RecordRows.ts"
import * as RecordSchema from "./RecordSchema.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { toStoreError } from "./SqlReason.ts"

/** `readMark` reads what writers count on from; settling may change it. */
export const make = (readMark: Effect.Effect<void, SqlError>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const unchecked = Option.getOrUndefined(yield* Effect.serviceOption(SqliteFile.Unchecked))
    const settle = Effect.gen(function* () {
      yield* Migrations.run({ steps: RecordSchema.steps, always: RecordSchema.upkeep })
      yield* RecordSchema.dropUnneeded
      yield* readMark
      if (unchecked !== undefined) yield* unchecked.writable
    }).pipe(passingThrough, Effect.provideService(SqlClient.SqlClient, sql))
    yield* unchecked === undefined ? settle : readMark
    return {
      unchecked: Effect.succeed(unchecked?.path),
      check:
        unchecked === undefined
          ? Effect.void
          : Effect.flatMap(sql.reserve, (connection) =>
              SqliteFile.refuseDamaged(connection, unchecked.path)
            ).pipe(Effect.scoped, Effect.mapError(SqliteFile.toOpenError(unchecked.path))),
      settle: Effect.catchTag(settle, "SqlError", (error) => Effect.fail(toStoreError(error)))
    } satisfies Pick<RecordRows["Type"], "unchecked" | "check" | "settle">
  })
