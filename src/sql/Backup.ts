/**
 * One archive of everything the node keeps, made while it runs. Invariant: what a writer was
 * told is stored before the copying began is in it, and a file appears under its final name
 * only when it is complete and on the disk.
 */
import { Clock, DateTime, Effect } from "effect"
import { createWriteStream, existsSync } from "node:fs"
import { copyFile, mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { Writable } from "node:stream"
import * as FileHash from "../runtime/FileHash.ts"
import * as BackupArchive from "./BackupArchive.ts"
import { attempt, type BackupError, because, refuse } from "./BackupError.ts"
import * as BackupManifest from "./BackupManifest.ts"
import * as DatabaseCopy from "./DatabaseCopy.ts"
import type { DataFile, SecretFile } from "./DataFiles.ts"

/** Plain data, so that it can be handed to a thread. */
export interface Contents {
  /** Those that do not exist are left out, except the first: without records there is no node. */
  readonly databases: ReadonlyArray<DataFile>
  readonly secrets: ReadonlyArray<SecretFile>
  readonly build: { readonly version: string; readonly commit: string }
  readonly compression: BackupArchive.Compression
}

export interface Made {
  readonly manifest: BackupManifest.Manifest
  /** Octets of the archive. */
  readonly bytes: number
}

/** The beginning of every scheduled archive's name. */
export const prefix = "dnsmesh-backup-"
const workPrefix = `.${prefix}`

/** `20261123T124000Z`: sorts by time and is legal in every file name. */
const compact = (ms: number): string =>
  DateTime.formatIso(DateTime.unsafeMake(ms)).replace(/\.\d+/, "").replace(/[-:]/g, "")

export const fileName = (ms: number, compression: BackupArchive.Compression): string =>
  `${prefix}${compact(ms)}${BackupArchive.suffix[compression]}`

/** A directory for its owner alone; it goes with the scope. */
export const workDirectory = (parent: string) =>
  Effect.acquireRelease(
    attempt(`use ${parent}`, async () => {
      await mkdir(parent, { recursive: true, mode: 0o700 })
      return mkdtemp(join(parent, workPrefix))
    }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )

/** Removes what interrupted backups left in `parent` before `olderThan` (ms). */
export const removeLeftovers = (parent: string, olderThan: number) =>
  attempt(`clean ${parent}`, async () => {
    for (const name of await readdir(parent))
      if (name.startsWith(workPrefix)) {
        const path = join(parent, name)
        const { mtimeMs } = await stat(path)
        if (mtimeMs < olderThan) await rm(path, { recursive: true, force: true })
      }
  })

const copyDatabase = ({ role, path }: DataFile, directory: string) =>
  Effect.gen(function* () {
    const name = `databases/${role}.db`
    const copy = join(directory, name)
    yield* DatabaseCopy.snapshot(path, copy)
    const description = yield* DatabaseCopy.describe(copy)
    const hash = yield* Effect.mapError(FileHash.ofFile(copy), because(`read ${copy}`))
    return { kind: "database" as const, name, role, ...description, ...hash }
  })

const copySecret = ({ variable, path }: SecretFile, directory: string) =>
  Effect.gen(function* () {
    const name = `secrets/${variable}`
    const copy = join(directory, name)
    yield* attempt(`read ${path}, which ${variable} names`, () => copyFile(path, copy))
    const hash = yield* Effect.mapError(FileHash.ofFile(copy), because(`read ${copy}`))
    return { kind: "secret" as const, name, variable, ...hash }
  })

/** Copies everything into `directory` and lists it. */
const collect = (contents: Contents, directory: string) =>
  Effect.gen(function* () {
    const [records, ...others] = contents.databases
    if (records === undefined || !existsSync(records.path))
      return yield* refuse(
        `there is no database at ${records?.path ?? "any path"}; is DMP_DB_PATH that of the node?`
      )
    const createdAt = DateTime.formatIso(DateTime.unsafeMake(yield* Clock.currentTimeMillis))
    for (const folder of ["databases", "secrets"])
      yield* attempt(`create ${folder}`, () => mkdir(join(directory, folder), { mode: 0o700 }))
    const present = [records, ...others.filter(({ path }) => existsSync(path))]
    const files = [
      ...(yield* Effect.forEach(present, (file) => copyDatabase(file, directory))),
      ...(yield* Effect.forEach(contents.secrets, (file) => copySecret(file, directory)))
    ]
    return { format: BackupManifest.format, createdAt, ...contents.build, files }
  })

/** Writes the archive to `sink`, working in a directory below `parent`. */
export const toStream = (
  contents: Contents,
  parent: string,
  sink: Writable
): Effect.Effect<BackupManifest.Manifest, BackupError> =>
  Effect.gen(function* () {
    const directory = yield* workDirectory(parent)
    const manifest = yield* collect(contents, directory)
    yield* BackupArchive.write(manifest, directory, contents.compression, sink)
    return manifest
  }).pipe(Effect.scoped)

/** Makes what was done in a directory outlast a power cut. */
export const syncDirectory = (path: string) =>
  attempt(`sync ${path}`, async () => {
    const handle = await open(path, "r")
    await handle.sync().finally(() => handle.close())
  })

/** Writes the archive to `file`, replacing one of that name only when the new one is complete. */
export const toFile = (contents: Contents, file: string): Effect.Effect<Made, BackupError> =>
  Effect.gen(function* () {
    const directory = yield* workDirectory(dirname(file))
    const manifest = yield* collect(contents, directory)
    const unfinished = join(directory, basename(file))
    // `flush` syncs the content before the stream ends.
    const sink = createWriteStream(unfinished, { flags: "wx", mode: 0o600, flush: true })
    yield* BackupArchive.write(manifest, directory, contents.compression, sink)
    const { size } = yield* attempt(`finish ${file}`, async () => {
      await rename(unfinished, file)
      return stat(file)
    })
    yield* syncDirectory(dirname(file))
    return { manifest, bytes: size }
  }).pipe(Effect.scoped)
