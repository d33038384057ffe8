/**
 * A database in WAL mode that nobody has open. SQLite leaves an empty log and its index beside
 * such a file when it only reads it, so the file is copied first, its log included, and the copy
 * is what SQLite gets. Invariant: nothing is created beside the original.
 */
import { Effect, Option, type Scope } from "effect"
import { existsSync } from "node:fs"
import { copyFile, mkdtemp, open, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { attempt, type BackupError } from "./BackupError.ts"

/** Offset in the file's header of what a reader must understand; 2 is WAL (fileformat2 §1.3.3). */
const readVersion = 19

const indexOf = (path: string) => `${path}-shm`
const logOf = (path: string) => `${path}-wal`

const isInWalMode = async (path: string): Promise<boolean> => {
  const file = await open(path, "r")
  const { buffer, bytesRead } = await file
    .read(Buffer.alloc(readVersion + 1), 0)
    .finally(() => file.close())
  return bytesRead > readVersion && buffer[readVersion] === 2
}

/** What changes when somebody writes to `path`. */
const state = (path: string): Promise<string> =>
  stat(path, { bigint: true }).then(
    ({ ino, mtimeNs, size }) => `${ino} ${mtimeNs} ${size}`,
    () => "absent"
  )

/**
 * A copy of `path` as SQLite can open it, gone with the scope; nothing when the database is in
 * use, or in a mode in which reading leaves no trace.
 */
export const copied = (
  path: string,
  workDirectory: string
): Effect.Effect<Option.Option<string>, BackupError, Scope.Scope> =>
  Effect.gen(function* () {
    // Who has it open has an index. Asked first: while this process is one of them, to open and
    // close the file would drop its locks.
    if (existsSync(indexOf(path))) return Option.none<string>()
    const what = `copy ${path}`
    if (!(yield* attempt(what, () => isInWalMode(path)))) return Option.none<string>()
    const directory = yield* Effect.acquireRelease(
      attempt(what, () => mkdtemp(join(workDirectory, ".at-rest-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
    )
    const copy = join(directory, "database")
    const files = [
      [path, copy],
      [logOf(path), logOf(copy)]
    ] as const
    const states = Effect.forEach(files, ([from]) => Effect.promise(() => state(from)))
    const before = yield* states
    yield* attempt(what, async () => {
      for (const [from, to] of files) if (existsSync(from)) await copyFile(from, to)
    })
    const after = yield* states
    // Somebody came in between: the copy may be torn, and the ordinary way is open again.
    return existsSync(indexOf(path)) || before.join() !== after.join()
      ? Option.none<string>()
      : Option.some(copy)
  })
