/** `backup`, `verify` and `restore`: one archive of everything a node keeps, and back. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Clock, Console, Effect, Option } from "effect"
import { statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { all, loadConfig } from "../Settings.ts"
import * as Backup from "../sql/Backup.ts"
import * as BackupArchive from "../sql/BackupArchive.ts"
import { refuse } from "../sql/BackupError.ts"
import type { Manifest } from "../sql/BackupManifest.ts"
import { verify as verifyArchive } from "../sql/BackupVerify.ts"
import { databases, secretFiles } from "../sql/DataFiles.ts"
import { restore as restoreArchive } from "../sql/Restore.ts"
import { build } from "../Version.ts"

const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory()

const load = loadConfig(process.env, { mayCreate: false }).pipe(
  Effect.provide(NodeFileSystem.layer)
)

/** The archive named on the command line, `-` being the standard input. */
const input = (file: string) =>
  file === "-" ? Effect.succeed(process.stdin) : BackupArchive.open(file)

/** One line a file; goes to stderr, because stdout may be the archive. */
const report = (manifest: Manifest) =>
  Effect.forEach(
    manifest.files,
    (file) => {
      const rows =
        file.kind === "database"
          ? `  ${Object.entries(file.rows)
              .map(([table, count]) => `${table} ${count}`)
              .join(", ")}`
          : ""
      return Console.error(`  ${file.name}  ${file.bytes} bytes${rows}`)
    },
    { discard: true }
  )

const withSecrets = Options.boolean("with-secrets").pipe(
  Options.withDescription(
    "Add the files named by DMP_…_FILE and …_KEY_PATH: the archive can then speak for the node"
  )
)
const compression = Options.choice("compress", ["gzip", "zstd", "none"]).pipe(
  Options.withDefault("gzip" as const),
  Options.withDescription("none suits tools that deduplicate and compress themselves")
)
const output = Args.text({ name: "file" }).pipe(
  Args.withDescription("A file, a directory, or - for the standard output"),
  Args.optional
)

export const backup = Command.make(
  "backup",
  { output, compression, withSecrets },
  ({ compression, output, withSecrets }) =>
    Effect.gen(function* () {
      const { config } = yield* load
      const contents: Backup.Contents = {
        databases: databases(config.store),
        secrets: withSecrets ? secretFiles(process.env, all) : [],
        build,
        compression
      }
      const to = Option.getOrElse(output, () =>
        Option.getOrElse(config.backup.directory, () => ".")
      )
      if (to === "-") {
        if (process.stdout.isTTY)
          return yield* refuse("an archive is nothing for a terminal; redirect it or name a file")
        const parent = dirname(resolve(config.store.dbPath))
        return yield* Effect.flatMap(
          Backup.toStream(contents, parent, process.stdout),
          (manifest) => report(manifest)
        )
      }
      const now = yield* Clock.currentTimeMillis
      const file = isDirectory(to) ? join(to, Backup.fileName(now, compression)) : to
      const { bytes, manifest } = yield* Backup.toFile(contents, resolve(file))
      yield* report(manifest)
      yield* Console.error(`${file}: ${bytes} bytes, complete`)
      if (withSecrets && manifest.files.every(({ kind }) => kind !== "secret"))
        yield* Console.error("no secret comes from a file in this environment: none was added")
    })
).pipe(Command.withDescription("Write one archive of all databases, while the node runs or not"))

const archive = Args.text({ name: "file" }).pipe(
  Args.withDescription("An archive, or - for the standard input")
)

export const verify = Command.make("verify", { archive }, ({ archive }) =>
  Effect.gen(function* () {
    const parent = archive === "-" ? tmpdir() : dirname(resolve(archive))
    const { manifest } = yield* verifyArchive(yield* input(archive), parent)
    yield* report(manifest)
    yield* Console.log(
      `good: ${manifest.files.length} files of ${manifest.createdAt}, release ${manifest.version}`
    )
  }).pipe(Effect.scoped)
).pipe(Command.withDescription("Check an archive: every checksum, every database"))

const replace = Options.boolean("replace").pipe(
  Options.withDescription("Set existing data aside under another name, instead of refusing")
)

export const restore = Command.make("restore", { archive, replace }, ({ archive, replace }) =>
  Effect.gen(function* () {
    const { config } = yield* load
    const done = yield* restoreArchive(yield* input(archive), {
      databases: databases(config.store),
      secrets: secretFiles(process.env, all),
      replace
    })
    for (const path of done.setAside) yield* Console.error(`kept ${path}`)
    for (const name of done.skipped)
      yield* Console.error(`left out ${name}: nothing in this environment names a place for it`)
    for (const path of done.restored) yield* Console.error(`restored ${path}`)
    yield* Console.log(`restored the state of ${done.manifest.createdAt}`)
  })
).pipe(
  Command.withDescription("Verify an archive, then put it in place; refuses while a node runs")
)
