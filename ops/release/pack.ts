/**
 * Makes the package for `npm install --global`: `node ops/release/pack.ts [DIRECTORY]`, which
 * prints the tarball's path. All libraries are in the bundle already except SQLite's driver,
 * whose version our lock file overrides; it is bundled too, because overrides do not bind whoever
 * installs a package. Installing therefore needs no registry and runs no script.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { root } from "./Lock.ts"

const tree = fileURLToPath(root)
const target = resolve(process.argv[2] ?? ".")
const driver = join("node_modules", "better-sqlite3")
const read = (path: string) => JSON.parse(readFileSync(join(tree, path), "utf8"))

execFileSync(process.execPath, [join(tree, "ops/dev/prepare.mjs")], { stdio: ["ignore", 2, 2] })

const stage = mkdtempSync(join(tmpdir(), "dnsmesh-pack-"))
const write = (path: string, value: unknown) =>
  writeFileSync(join(stage, path), `${JSON.stringify(value, null, 2)}\n`)

const kit = [
  "ops/dnsmesh-node.service",
  "ops/prometheus",
  "ops/grafana",
  "ops/otel",
  "ops/fail2ban",
  "Caddyfile"
]
for (const path of ["dist", "ops/bin", ...kit])
  cpSync(join(tree, path), join(stage, path), {
    recursive: true,
    // What this user's V8 has compiled is of no use to another.
    filter: (file) => !/\.map$|\.sources$|\/dist\/compiled$/.test(file)
  })
for (const path of ["docs", "README.md", "CHANGELOG.md", "SECURITY.md"])
  cpSync(join(tree, path), join(stage, path), { recursive: true })

mkdirSync(join(stage, driver), { recursive: true })
for (const part of ["LICENSE", "lib", "prebuilds"])
  cpSync(join(tree, driver, part), join(stage, driver, part), {
    recursive: true,
    filter: (file) => !file.includes("win32")
  })
const { dependencies: _toCompile, files: _, ...driverPackage } = read(join(driver, "package.json"))
write(join(driver, "package.json"), driverPackage)

const { bin, description, engines, license, name, type, version } = read("package.json")
write("package.json", {
  ...{ name, version, description, type, private: true, license, engines, bin },
  dependencies: { "better-sqlite3": driverPackage.version },
  bundleDependencies: ["better-sqlite3"],
  os: ["linux", "darwin"]
})

const [packed] = JSON.parse(
  execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", target], {
    cwd: stage,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
)
rmSync(stage, { recursive: true, force: true })
process.stdout.write(`${join(target, packed.filename)}\n`)
