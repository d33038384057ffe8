/** Why a backup was not made, is not good, or was not restored. */
import { Effect, Schema } from "effect"
import { messageOf } from "./SqlReason.ts"

export class BackupError extends Schema.TaggedError<BackupError>()("BackupError", {
  /** One sentence for the operator; names the file. */
  message: Schema.String
}) {}

export const refuse = (message: string): Effect.Effect<never, BackupError> =>
  Effect.fail(new BackupError({ message }))

/** Runs a promise; `what` completes "cannot …". */
export const attempt = <A>(
  what: string,
  run: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, BackupError> => Effect.mapError(Effect.tryPromise(run), because(what))

/** Says what was being done when `error` came up; leaves our own errors as they are. */
export const because =
  (what: string) =>
  (error: unknown): BackupError => {
    if (error instanceof BackupError) return error
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    return new BackupError({ message: `cannot ${what}: ${messageOf(cause)}` })
  }
