/**
 * Looks through a database for damage in a process of its own: a check cannot be interrupted, and
 * of a large file on a cold disk it takes minutes in which the node must be able to stop.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Data, Effect, Schema } from "effect"
import { OpenError } from "./OpenError.ts"
import { damaged, toOpenError } from "./SqliteFile.ts"

const Findings = Schema.parseJson(
  Schema.Union(
    Schema.TaggedStruct("Read", { verdict: Schema.String }),
    Schema.TaggedStruct("Unread", { code: Schema.String, message: Schema.String })
  )
)
export type Finding = typeof Findings.Type

const decode = Schema.decodeUnknownOption(Findings)

/** There was no process, or it did not live to say what it found. */
export class NotChecked extends Data.TaggedError("NotChecked")<{ readonly message: string }> {}

// Run from source the modules end in .ts, from dist in .js; a string is not rewritten by tsc.
const checkProcessMain = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "./checkProcessMain.ts" : "./checkProcessMain.js",
    import.meta.url
  )
)

/** Succeeds when the file at `path` is sound; ends its process when interrupted. */
export const check = (
  path: string,
  entry: string = checkProcessMain
): Effect.Effect<void, OpenError | NotChecked> =>
  Effect.async((resume) => {
    const child = execFile(process.execPath, [entry, path], (error, stdout) => {
      const finding = decode(stdout)
      if (finding._tag === "None")
        return resume(new NotChecked({ message: error?.message ?? "it said nothing" }))
      const { value } = finding
      if (value._tag === "Unread")
        return resume(
          Effect.fail(toOpenError(path)(Object.assign(new Error(value.message), value)))
        )
      if (value.verdict === "ok") return resume(Effect.void)
      const message = damaged(path, value.verdict)
      return resume(new OpenError({ reason: "corrupt", path, message }))
    })
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
