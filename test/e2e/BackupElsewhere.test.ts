/** The off-host examples of docs/backup.md, run as they stand there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { numbers } from "../fixtures/Databases.ts"
import * as Tools from "../fixtures/Tools.ts"
import * as Node from "./NodeProcess.ts"

const guide = readFileSync(join(import.meta.dirname, "../../docs/backup.md"), "utf8")
const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname

/** The commands under a heading, settings of the reader's own place left out. */
const commands = (heading: string): string =>
  (new RegExp(`### ${heading}\\n[^]*?\`\`\`sh\\n([^]*?)\`\`\``).exec(guide)?.[1] ?? "")
    .split("\n")
    .filter((line) => !line.startsWith("export "))
    .join("\n")

/** A node's data, and a shell in which `dnsmesh-node` is this one. */
const prepare = Effect.gen(function* () {
  const home = yield* Node.directory
  yield* numbers(join(home, "dmp.db"), 100)
  mkdirSync(join(home, "bin"))
  writeFileSync(
    join(home, "bin/dnsmesh-node"),
    `#!/bin/sh\nexec "${node}" "${Node.executable}" "$@"\n`,
    { mode: 0o755 }
  )
  const env = {
    PATH: `${join(home, "bin")}:${process.env["PATH"]}`,
    HOME: home,
    DMP_DB_PATH: join(home, "dmp.db"),
    RESTIC_REPOSITORY: join(home, "restic"),
    RESTIC_PASSWORD: "for this test only"
  }
  const shell = (text: string) =>
    spawnSync("/bin/sh", ["-ec", text], { cwd: home, encoding: "utf8", env })
  return { home, env, shell }
})

describe("backups elsewhere", () => {
  it.scopedLive.skipIf(!Tools.installed("restic"))(
    "go to restic and come back good",
    () =>
      Effect.gen(function* () {
        const { env, shell } = yield* prepare
        execFileSync("restic", ["init"], { env, stdio: "ignore" })
        const text = commands("restic")
        assert.include(text, "restic backup --stdin")
        const { status, stderr, stdout } = shell(text)
        assert.strictEqual(status, 0, stderr)
        assert.include(stdout, "good: 1 files")
      }),
    60_000
  )

  it.scopedLive.skipIf(!Tools.installed("rclone"))(
    "go to another place with rclone",
    () =>
      Effect.gen(function* () {
        const { home, shell } = yield* prepare
        mkdirSync(join(home, "backups"))
        const made = shell("dnsmesh-node backup backups")
        assert.strictEqual(made.status, 0, made.stderr)
        writeFileSync(join(home, "backups/other"), "stays here")
        const text = commands("rclone")
          .replace("/var/lib/dmp/backups", join(home, "backups"))
          .replace("remote:dnsmesh", join(home, "remote"))
        const { status, stderr } = shell(text)
        assert.strictEqual(status, 0, stderr)
        const [name = "", ...more] = readdirSync(join(home, "remote"))
        assert.match(name, /^dnsmesh-backup-.*\.tar\.gz$/)
        assert.deepStrictEqual(more, [])
        assert.strictEqual(shell(`dnsmesh-node verify remote/${name}`).status, 0)
      }),
    60_000
  )
})
