/**
 * Values kept in files, secrets above all: `NAME_FILE` names the file whose content is the value
 * of `NAME`. Read before the settings are. Invariant: what a file holds is never part of a
 * message.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { Effect, Option, Schedule } from "effect"
import { dirname } from "node:path"
import type { Mistake } from "./ConfigMistakes.ts"
import { type Environment, fileVariable, isSet, type Notice } from "./Environment.ts"
import * as SecureRandom from "./SecureRandom.ts"
import { namesOf, quote, type Setting } from "./Setting.ts"

/** Larger files are no secrets but accidents. Octets. */
const maxBytes = 65_536

/** How long another process may take to fill the file it has just created. */
const patience = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(50))

export interface ReadSecrets {
  /** The environment with the secrets of the files in it. */
  readonly environment: Environment
  readonly mistakes: ReadonlyArray<Mistake>
  readonly notices: ReadonlyArray<Notice>
}

const why = (error: PlatformError): string => {
  if (error._tag !== "SystemError") return "cannot be used"
  if (error.reason === "NotFound") return "does not exist"
  return error.reason === "PermissionDenied"
    ? "may not be used by this user"
    : `cannot be used (${error.reason})`
}

const regular = (path: string): Effect.Effect<string, string, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const { type, size } = yield* Effect.mapError(files.stat(path), why)
    // A pipe or a device could block the start, or never end.
    if (type !== "File") return yield* Effect.fail("is not a regular file")
    if (size > maxBytes) return yield* Effect.fail(`is larger than ${maxBytes} bytes`)
    return (yield* Effect.mapError(files.readFileString(path), why)).trim()
  })

const content = (path: string) =>
  Effect.filterOrFail(
    regular(path),
    (text) => text !== "",
    () => "is empty"
  )

/** A list as a variable spells it: a file has an item a line, and what follows `#` is for people. */
const listed = (path: string) =>
  Effect.map(regular(path), (text) => {
    const items = text.split(/\r?\n/).map((line) => line.replace(/#.*$/, "").trim())
    return items.filter((item) => item !== "").join(",") || "none"
  })

/** Creates `path` with a fresh token, unless somebody else is quicker: then theirs counts. */
const create = (path: string): Effect.Effect<boolean, string, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    yield* files.makeDirectory(dirname(path), { recursive: true, mode: 0o700 })
    const file = yield* files.open(path, { flag: "wx", mode: 0o600 }).pipe(
      Effect.asSome,
      Effect.catchIf(
        (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
        () => Effect.succeedNone
      )
    )
    if (Option.isNone(file)) return false
    yield* file.value.writeAll(new TextEncoder().encode(`${yield* SecureRandom.token}\n`))
    yield* file.value.sync
    return true
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => `could not be read or created: it ${why(error)}`)
  )

export interface Options {
  /** The setting whose file is created with a fresh token when it does not exist. */
  readonly generated: Setting<unknown>
  /** False to change nothing on disk: a file yet to be created then stands for some token. */
  readonly mayCreate: boolean
}

const readOrCreate = (path: string, mayCreate: boolean) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const present = yield* Effect.orElseSucceed(files.exists(path), () => false)
    if (!present && !mayCreate)
      return { text: "to-be-created", note: Option.some("will be created at the next start") }
    const created = !present && (yield* create(path))
    const text = yield* Effect.retry(content(path), {
      schedule: patience,
      while: (problem) => problem === "is empty"
    })
    return { text, note: created ? Option.some("was created with a new token") : Option.none() }
  })

/** Puts the secrets that files hold into the environment. */
export const read = (
  environment: Environment,
  settings: ReadonlyArray<Setting<unknown>>,
  { generated, mayCreate }: Options
): Effect.Effect<ReadSecrets, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const result: Record<string, string | undefined> = { ...environment }
    const mistakes: Array<Mistake> = []
    const notices: Array<Notice> = []
    for (const setting of settings.filter(({ inFile }) => inFile))
      for (const [rank, name] of namesOf(setting).entries()) {
        const variable = fileVariable(name)
        if (!isSet(environment, variable)) continue
        if (isSet(environment, name)) {
          mistakes.push({ variable, problem: `${name} is set as well, give only one of them` })
          continue
        }
        // A file that only an alias names is not looked at when a better name is set.
        const better = namesOf(setting).slice(0, rank)
        if (better.some((other) => isSet(result, other))) continue
        const path = (environment[variable] ?? "").trim()
        const reading =
          setting.name === generated.name
            ? readOrCreate(path, mayCreate)
            : Effect.map(setting.secret ? content(path) : listed(path), (text) => ({
                text,
                note: Option.none<string>()
              }))
        yield* reading.pipe(
          Effect.match({
            onFailure: (problem) =>
              void mistakes.push({
                variable,
                problem: `${quote(path)} ${problem}, give the path of a file that holds the ${setting.secret ? "secret" : "list"}`
              }),
            onSuccess: ({ text, note }) => {
              result[name] = text
              if (Option.isSome(note))
                notices.push({ level: "INFO", message: `${variable}: ${path} ${note.value}` })
            }
          })
        )
      }
    return { environment: result, mistakes, notices }
  })
