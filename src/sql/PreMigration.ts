/**
 * Keeps what a database was before a migration changes it. Invariant: the copy is complete and
 * on the disk before the first change, and it is what the release before can open.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect } from "effect"
import { open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { createPrivately } from "./DatabasePath.ts"
import { OpenError } from "./OpenError.ts"
import { codeOf, messageOf } from "./SqlReason.ts"

/** The main database's file; empty for one in memory. */
export const databaseFile = (sql: SqlClient.SqlClient): Effect.Effect<string, SqlError> =>
  Effect.map(
    sql<{ file: string }>`SELECT file FROM pragma_database_list WHERE name = 'main'`,
    (rows) => rows[0]?.file ?? ""
  )

/** Where the copy of `file` is kept while it is brought to schema version `to`. */
export const copyOf = (file: string, to: number): string => `${file}.pre-schema${to}.bak`

const isFresh = (sql: SqlClient.SqlClient) =>
  Effect.map(sql`SELECT 1 FROM sqlite_schema LIMIT 1`, (rows) => rows.length === 0)

const finish = async (unfinished: string, copy: string) => {
  const file = await open(unfinished, "r+")
  await file.sync().finally(() => file.close())
  await rename(unfinished, copy)
  const directory = await open(dirname(copy), "r")
  await directory.sync().finally(() => directory.close())
}

/**
 * Copies the connected database beside itself; to be called outside a transaction. A file that
 * holds nothing yet needs no copy. An older copy of the same name is replaced: the state before
 * the latest migration is the one to go back to.
 */
export const keep = (sql: SqlClient.SqlClient, to: number): Effect.Effect<void, OpenError> =>
  Effect.gen(function* () {
    const file = yield* databaseFile(sql)
    if (file === "" || (yield* isFresh(sql))) return
    const copy = copyOf(file, to)
    const unfinished = `${copy}.partial`
    yield* Effect.gen(function* () {
      yield* Effect.tryPromise(() => rm(unfinished, { force: true }))
      yield* createPrivately(unfinished)
      yield* sql`VACUUM INTO ${unfinished}`
      yield* Effect.tryPromise(() => finish(unfinished, copy))
    }).pipe(
      Effect.onError(() => Effect.ignore(Effect.tryPromise(() => rm(unfinished, { force: true })))),
      Effect.mapError((error) => {
        const cause = error._tag === "UnknownException" ? error.error : error
        const full = codeOf(cause) === "SQLITE_FULL" || codeOf(cause) === "ENOSPC"
        return new OpenError({
          reason: "migration",
          path: file,
          message: `${file} was left as it was: the copy to go back to, ${copy}, cannot be written: ${messageOf(cause)}${full ? "; make room for it" : ""}`
        })
      })
    )
  }).pipe(
    Effect.catchTag("SqlError", (error) =>
      Effect.fail(new OpenError({ reason: "other", path: "", message: messageOf(error) }))
    )
  )

/** True when the file's `user_version` is at least `version`. */
export const isStamped = (
  sql: SqlClient.SqlClient,
  version: number
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ user_version: number }>`PRAGMA user_version`,
    ([stamp]) => (stamp?.user_version ?? 0) >= version
  )

/**
 * `keep`, for files whose version is the reference's `user_version`, unless they have it and the
 * table of ours named last, which stands beside the reference's.
 */
export const keepUnlessDone = (sql: SqlClient.SqlClient, version: number, ours: string) =>
  Effect.whenEffect(
    keep(sql, version),
    Effect.zipWith(
      isStamped(sql, version),
      sql`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ${ours}`,
      (stamped, tables) => !stamped || tables.length === 0
    )
  )
