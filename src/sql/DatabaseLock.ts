/**
 * Keeps a second node off a database. Invariant: the lock is the operating system's, on a
 * file beside the database, so it ends with its process however that ends, and readers and
 * backup tools, which never touch that file, are not kept out.
 */
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Reactivity } from "@effect/experimental"
import { Effect, type Scope } from "effect"
import { createPrivately } from "./DatabasePath.ts"
import { OpenError } from "./OpenError.ts"
import { codeOf, messageOf } from "./SqlReason.ts"

/** Holds `<path>.lock` until the scope closes; `in-use` when another process holds it. */
export const acquire = (path: string): Effect.Effect<void, OpenError, Scope.Scope> => {
  const file = `${path}.lock`
  return createPrivately(file).pipe(
    Effect.zipRight(SqliteClient.make({ filename: file, disableWAL: true })),
    Effect.flatMap((client) => client.reserve),
    Effect.flatMap((connection) => {
      // An exclusive transaction that never writes: nothing but the lock reaches the disk.
      const run = (statement: string) => connection.execute(statement, [], undefined)
      return run("PRAGMA busy_timeout = 0").pipe(
        Effect.zipRight(run("PRAGMA journal_mode = MEMORY")),
        Effect.zipRight(run("BEGIN EXCLUSIVE"))
      )
    }),
    Effect.catchAllDefect(Effect.fail),
    Effect.mapError((error) => {
      if (error instanceof OpenError) return error
      return codeOf(error).startsWith("SQLITE_BUSY")
        ? new OpenError({ reason: "in-use", path, message: `${path} is in use by another node` })
        : new OpenError({
            reason: "unwritable",
            path,
            message: `the lock file ${file} cannot be used: ${messageOf(error)}`
          })
    }),
    Effect.asVoid,
    Effect.provide(Reactivity.layer)
  )
}
