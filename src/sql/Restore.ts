/**
 * Puts an archive in the place of a node's data. Invariant: nothing is touched before the whole
 * archive has been verified and no node has the data open, and nothing is ever overwritten:
 * what was there is set aside under another name.
 */
import { Clock, DateTime, Effect } from "effect"
import { existsSync } from "node:fs"
import { chown, copyFile, mkdir, open, rename, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { Readable } from "node:stream"
import { syncDirectory } from "./Backup.ts"
import { attempt, type BackupError, because, refuse } from "./BackupError.ts"
import type { Manifest } from "./BackupManifest.ts"
import { verify } from "./BackupVerify.ts"
import * as DatabaseLock from "./DatabaseLock.ts"
import * as DatabasePath from "./DatabasePath.ts"
import type { DataFile, SecretFile } from "./DataFiles.ts"

export interface Target {
  /** The first one is the records'. */
  readonly databases: ReadonlyArray<DataFile>
  readonly secrets: ReadonlyArray<SecretFile>
  /** Sets existing data aside instead of refusing. */
  readonly replace: boolean
}

export interface Restored {
  readonly manifest: Manifest
  /** Where files now are. */
  readonly restored: ReadonlyArray<string>
  /** Where former files went. */
  readonly setAside: ReadonlyArray<string>
  /** Files of the archive for which this configuration has no place. */
  readonly skipped: ReadonlyArray<string>
}

interface Move {
  readonly name: string
  readonly to: string
}

const plan = (manifest: Manifest, target: Target) => {
  const moves: Array<Move> = []
  const skipped: Array<string> = []
  for (const file of manifest.files) {
    const to =
      file.kind === "database"
        ? target.databases.find(({ role }) => role === file.role)?.path
        : target.secrets.find(({ variable }) => variable === file.variable)?.path
    if (to === undefined) skipped.push(file.name)
    else moves.push({ name: file.name, to })
  }
  return { moves, skipped }
}

/** What SQLite keeps beside a database belongs to it. */
const family = (path: string) => [path, `${path}-wal`, `${path}-shm`, `${path}-journal`]

/** Gives what root has written to whoever owns the directory it lies in. */
const giveToOwner = (paths: ReadonlyArray<string>) =>
  attempt("set the owner of the restored files", async () => {
    if (process.getuid?.() !== 0) return
    for (const path of paths.filter(existsSync)) {
      const { uid, gid } = await stat(dirname(path))
      await chown(path, uid, gid)
    }
  })

/** Moves aside every file in the way, each beside itself, so that it can still be opened. */
const setAside = (paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const now = DateTime.formatIso(DateTime.unsafeMake(yield* Clock.currentTimeMillis))
    const mark = now.replace(/\.\d+/, "").replace(/[-:]/g, "")
    const moved: Array<string> = []
    for (const path of paths)
      for (const file of family(path).filter(existsSync)) {
        const aside = `${path}.replaced-${mark}${file.slice(path.length)}`
        yield* attempt(`set ${file} aside`, () => rename(file, aside))
        moved.push(aside)
      }
    return moved
  })

/** Moves a verified file to its place, which may be on another disk. */
const place = (from: string, to: string) =>
  attempt(`restore ${to}`, async () => {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    const near = join(dirname(to), `.${basename(from)}.restoring`)
    await copyFile(from, near)
    const handle = await open(near, "r+")
    await handle.sync().finally(() => handle.close())
    await rename(near, to)
  })

/** Verifies `source` and puts its files where `target` says. */
export const restore = (source: Readable, target: Target): Effect.Effect<Restored, BackupError> =>
  Effect.gen(function* () {
    const [records] = target.databases
    if (records === undefined) return yield* refuse("there is no place for the records")
    const path = yield* Effect.mapError(
      DatabasePath.prepareDirectory(records.path),
      because("restore")
    )
    const { directory, manifest } = yield* verify(source, dirname(path))
    const { moves, skipped } = plan(manifest, target)
    const lock = `${path}.lock`
    yield* Effect.mapError(DatabaseLock.acquire(path), because("restore while a node runs"))

    // A database the archive does not have would be of another time than those it has.
    const places = [...target.databases.map((file) => file.path), ...moves.map(({ to }) => to)]
    const inTheWay = [...new Set(places)].filter(existsSync)
    if (inTheWay.length > 0 && !target.replace)
      return yield* refuse(
        `there is data already: ${inTheWay.join(", ")}; with --replace it is set aside under another name`
      )
    return yield* Effect.gen(function* () {
      const aside = yield* setAside(inTheWay)
      for (const { name, to } of moves) yield* place(join(directory, name), to)
      yield* giveToOwner([...moves.map(({ to }) => to), lock])
      for (const folder of new Set(moves.map(({ to }) => dirname(to)))) yield* syncDirectory(folder)
      return { manifest, restored: moves.map(({ to }) => to), setAside: aside, skipped }
    }).pipe(Effect.uninterruptible)
  }).pipe(Effect.scoped)
