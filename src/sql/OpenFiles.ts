/**
 * The databases this thread has open, by path, so that upkeep takes its turn on the connection
 * that serves each of them: one of its own would make writers wait for it.
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import { Effect, type Scope } from "effect"

const open = new Map<string, SqlClient>()

/** `path` is open with `client` until the scope closes. */
export const register = (
  path: string,
  client: SqlClient
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => void open.set(path, client)),
    () =>
      Effect.sync(() => {
        if (open.get(path) === client) open.delete(path)
      })
  )

export const all = (): ReadonlyMap<string, SqlClient> => open
