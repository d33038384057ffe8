/**
 * The files of a database, before SQLite opens them. Invariant: whatever this creates only
 * its owner can read, and what is there already is never written to.
 */
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { OpenError } from "./OpenError.ts"

const magic = "SQLite format 3\0"

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : ""

const unwritable = (path: string, what: string) => (error: unknown) =>
  new OpenError({
    reason: "unwritable",
    path,
    message: `${what}: ${error instanceof Error ? error.message : String(error)}`
  })

/** Makes an empty file for its owner alone, or narrows the mode of the one that is there. */
export const createPrivately = (file: string): Effect.Effect<void, OpenError> =>
  Effect.tryPromise({
    try: () =>
      fs.open(file, "wx", 0o600).then(
        (handle) => handle.close(),
        // Never opened here when it exists: closing it would drop this process's locks on it.
        (error: unknown) => (codeOf(error) === "EEXIST" ? narrow(file) : Promise.reject(error))
      ),
    catch: unwritable(file, `${file} cannot be created`)
  })

// A file of another owner keeps its mode: whether it can be used is for SQLite to find out.
const narrow = (file: string) =>
  fs.chmod(file, 0o600).catch((error: unknown) => {
    if (!["ENOENT", "EPERM", "EROFS"].includes(codeOf(error))) throw error
  })

/** The real path of `path`, whose directory exists afterwards: made 0700 if it was missing. */
export const prepareDirectory = (path: string): Effect.Effect<string, OpenError> =>
  path.trim() === ""
    ? Effect.fail(new OpenError({ reason: "no-path", path, message: "the database has no path" }))
    : Effect.tryPromise({
        try: async () => {
          await fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
          // One file has one lock, whichever link leads to it.
          return await fs
            .realpath(path)
            .catch(async () => join(await fs.realpath(dirname(path)), basename(path)))
        },
        catch: unwritable(path, `the directory of ${path} cannot be used`)
      })

/**
 * Refuses a file that is no database, down to one byte, which SQLite would take for empty.
 * Only before this process has a connection to it: closing it would drop that one's locks.
 */
export const refuseForeign = (path: string): Effect.Effect<void, OpenError> =>
  Effect.acquireUseRelease(
    Effect.tryPromise(() => fs.open(path, "r")),
    (handle) =>
      Effect.tryPromise(() => handle.read(Buffer.alloc(magic.length), 0, magic.length, 0)),
    (handle) => Effect.promise(() => handle.close())
  ).pipe(
    Effect.mapError(({ error }) => unwritable(path, `${path} cannot be read`)(error)),
    Effect.filterOrFail(
      ({ buffer, bytesRead }) =>
        bytesRead === 0 || buffer.toString("latin1", 0, bytesRead) === magic,
      () =>
        new OpenError({
          reason: "not-a-database",
          path,
          message: `${path} is not an SQLite database; it was left as it is`
        })
    ),
    Effect.asVoid
  )

/** Fails when there is no file. Does not open it: closing it would drop SQLite's locks. */
export const exists = (path: string): Effect.Effect<void, OpenError> =>
  Effect.asVoid(
    Effect.tryPromise({ try: () => fs.stat(path), catch: unwritable(path, `${path} is gone`) })
  )

/** Narrows the modes of a database and of what SQLite keeps beside it. */
export const makePrivate = (path: string): Effect.Effect<void, OpenError> =>
  Effect.forEach([path, `${path}-wal`, `${path}-shm`], (file) =>
    Effect.tryPromise({
      try: () => narrow(file),
      catch: unwritable(path, `the mode of ${file} cannot be set`)
    })
  ).pipe(Effect.asVoid)
