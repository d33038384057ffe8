/** What a release consists of: licences, bill of materials, a build that repeats, a package. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { production } from "../../ops/release/Lock.ts"
import { isAllowed, table } from "../../ops/release/licenses.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const root = join(import.meta.dirname, "../..")
const script = (name: string, ...args: ReadonlyArray<string>) =>
  execFileSync(process.execPath, [join(root, "ops/release", name), ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 16 * 1024 * 1024
  })

describe("licences", () => {
  it("of everything a node is made of are known and allowed", () => {
    const packages = production()
    assert.isAbove(packages.length, 30)
    assert.deepStrictEqual(
      packages.filter(({ license }) => !isAllowed(license)),
      []
    )
    assert.include(table(packages), "| effect | 3.22.4 | MIT |")
  })

  it("are refused when unknown, copyleft or only half allowed", () => {
    for (const good of ["MIT", "(MIT OR GPL-3.0)", "Apache-2.0 AND MIT"])
      assert.isTrue(isAllowed(good), good)
    for (const bad of ["unknown", "", "GPL-3.0", "MIT AND GPL-3.0", "UNLICENSED"])
      assert.isFalse(isAllowed(bad), bad)
  })
})

describe("the bill of materials", () => {
  it("lists every package with its hash, repeats itself, and tells nothing of the machine", () => {
    const text = script("sbom.ts")
    assert.strictEqual(script("sbom.ts"), text)
    const bill: {
      readonly bomFormat: string
      readonly components: ReadonlyArray<{
        readonly name: string
        readonly version: string
        readonly hashes?: ReadonlyArray<unknown>
      }>
    } = JSON.parse(text)
    assert.strictEqual(bill.bomFormat, "CycloneDX")
    const listed = new Set(bill.components.map(({ name, version }) => `${name}@${version}`))
    for (const { name, version } of production())
      assert.isTrue(listed.has(`${name}@${version}`), `${name} is not listed`)
    for (const { hashes, name } of bill.components) assert.isNotEmpty(hashes ?? [], name)
    assert.notInclude(text, root)
  })
})

/** SHA-256 of every file of a build, by name. */
const hashesOf = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(js|json|map)$/.test(name))
      .sort()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(directory, name)))
          .digest("hex")
      ])
  )

describe("the build", () => {
  it.scoped(
    "comes out the same, to the octet, wherever it is made",
    () =>
      Effect.gen(function* () {
        const builds: Array<Record<string, string>> = []
        for (const name of ["one", "a longer name, with spaces"]) {
          const tree = join(yield* tempDirectory, name)
          for (const path of ["package.json", "package-lock.json", "tsconfig.json", "ops", "src"])
            cpSync(join(root, path), join(tree, path), { recursive: true })
          symlinkSync(join(root, "node_modules"), join(tree, "node_modules"))
          const made = spawnSync(process.execPath, ["ops/dev/prepare.mjs"], {
            cwd: tree,
            encoding: "utf8"
          })
          assert.strictEqual(made.status, 0, made.stderr)
          builds.push(hashesOf(join(tree, "dist")))
        }
        assert.isAbove(Object.keys(builds[0] ?? {}).length, 3)
        assert.deepStrictEqual(builds[0], builds[1])
      }),
    120_000
  )
})

describe("the package", () => {
  it.scoped(
    "installs without a registry and runs from there",
    () =>
      Effect.gen(function* () {
        const home = yield* tempDirectory
        const tarball = script("pack.ts", home).trim()
        const npm = (...args: ReadonlyArray<string>) =>
          execFileSync("npm", args, {
            cwd: home,
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"]
          })
        npm("install", "--global", "--offline", "--prefix", join(home, "prefix"), tarball)
        const run = (name: string, ...args: ReadonlyArray<string>) =>
          spawnSync(join(home, "prefix/bin", name), args, {
            encoding: "utf8",
            env: { PATH: process.env["PATH"], DMP_DB_PATH: join(home, "none/dmp.db") }
          })
        const { stdout } = run("dnsmesh-node", "--version")
        assert.match(stdout, /^0\.\d+\.\d+ \([0-9a-f]{7,}(-dirty)?|unknown\)/)
        assert.include(run("dnsmesh-node-admin", "--help").stdout, "token")
        // The driver loads: it is asked for a database that is not there.
        const backup = run("dnsmesh-node", "backup", "-")
        assert.strictEqual(backup.status, 74)
        assert.include(backup.stderr, "there is no database")
        const settings = join(home, "settings")
        const init = run(
          ...(["dnsmesh-node", "init", "--for", "systemd", "--config", settings] as const),
          ...["--hostname", "dmp.example.com", "--zone", "mesh.example.com", "--mode", "legacy"]
        )
        assert.strictEqual(init.status, 0, init.stderr)
      }),
    120_000
  )
})
