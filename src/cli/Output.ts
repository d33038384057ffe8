/**
 * Where a command's long output goes: the standard output, or a file that is there only once it
 * is whole. Invariant: what is written waits for its reader, and a reader that leaves ends the
 * command quietly.
 */
import { Data, Effect, Option, type Scope } from "effect"
import { createWriteStream } from "node:fs"
import { rename, rm } from "node:fs/promises"
import type { Writable } from "node:stream"
import { type AdminFailure, failed } from "./AdminFailure.ts"

/** Nobody reads the output any more, as after `head`. */
export class ReaderGone extends Data.TaggedError("ReaderGone") {}

export type Write = (text: string) => Effect.Effect<void, ReaderGone | AdminFailure>

const isGone = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EPIPE"

const cannot = (error: unknown) =>
  failed(`error: ${error instanceof Error ? error.message : String(error)}`)

const into =
  (stream: Writable): Write =>
  (text) =>
    Effect.async((resume) => {
      stream.write(text, (error) =>
        resume(
          error === undefined || error === null
            ? Effect.void
            : Effect.fail(isGone(error) ? new ReaderGone() : cannot(error))
        )
      )
    })

const ignore = () => {}

/** The standard output; a failed write is told to whoever writes, not to the process. */
export const standard: Effect.Effect<Write, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => process.stdout.on("error", ignore)),
  (stream) => Effect.sync(() => void stream.off("error", ignore))
).pipe(Effect.map(into))

/** Runs `fill` with a new file for its owner alone, which takes the name `path` when it is done. */
const toFile = <A, E, R>(path: string, fill: (write: Write) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const unfinished = `${path}.part`
    const stream = createWriteStream(unfinished, { mode: 0o600, flush: true }).on("error", ignore)
    const closed = Effect.async<void, AdminFailure>((resume) => {
      stream.end((error?: Error | null) =>
        resume(error === undefined || error === null ? Effect.void : Effect.fail(cannot(error)))
      )
    })
    const keep = Effect.tryPromise({ try: () => rename(unfinished, path), catch: cannot })
    return yield* fill(into(stream)).pipe(
      Effect.zipLeft(Effect.zipRight(closed, keep)),
      Effect.onError(() => Effect.promise(() => rm(unfinished, { force: true })))
    )
  })

/** Runs `fill` on the file named, or on the standard output for none and `-`. */
export const writing = <A, E, R>(
  path: Option.Option<string>,
  fill: (write: Write) => Effect.Effect<A, E, R>
) =>
  Option.match(
    Option.filter(path, (it) => it !== "-"),
    {
      onNone: () => Effect.scoped(Effect.flatMap(standard, fill)),
      onSome: (file) => toFile(file, fill)
    }
  )
