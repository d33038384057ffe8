/**
 * Makes a backup on a thread of its own, because copying a database blocks whoever does it.
 * Invariant: the thread ends with the backup, or with whoever waits for it.
 */
import { Effect, Schema } from "effect"
import { Worker } from "node:worker_threads"
import type { Contents } from "./Backup.ts"
import { BackupError } from "./BackupError.ts"

/** What the thread is started with. */
export interface Order {
  readonly contents: Contents
  readonly file: string
}

/** What the thread says last. */
export const Outcome = Schema.Union(
  Schema.TaggedStruct("Made", { bytes: Schema.NonNegativeInt }),
  BackupError
)

const decode = Schema.decodeUnknownOption(Outcome)

// Run from source the modules end in .ts, from dist in .js; a string is not rewritten by tsc.
const entry = new URL(
  import.meta.url.endsWith(".ts") ? "./backupThreadMain.ts" : "./backupThreadMain.js",
  import.meta.url
)

/** Writes the archive; yields its size in octets. */
export const make = (order: Order): Effect.Effect<number, BackupError> =>
  Effect.async<number, BackupError>((resume) => {
    const worker = new Worker(entry, { name: "backup", workerData: order })
    worker.once("message", (message: unknown) => {
      const outcome = decode(message)
      if (outcome._tag === "None") return
      resume(
        outcome.value._tag === "Made"
          ? Effect.succeed(outcome.value.bytes)
          : Effect.fail(outcome.value)
      )
    })
    worker.once("error", (error) =>
      resume(
        Effect.fail(
          new BackupError({
            message: `the backup thread died: ${error instanceof Error ? error.message : String(error)}`
          })
        )
      )
    )
    worker.once("exit", () =>
      resume(Effect.fail(new BackupError({ message: "the backup thread ended early" })))
    )
    return Effect.promise(() => worker.terminate())
  })
