// Brings a checkout into the state its commands need: packages installed, sources compiled.
// Plain JavaScript without dependencies, because it runs before anything is installed and on
// whatever Node the machine has (18 or later).
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

const modules = join(root, "node_modules")
const dist = join(root, "dist")

/** A reason to stop that the user can act on; shown without a stack trace. */
export class Unprepared extends Error {}

export const say = (line) => process.stderr.write(`dnsmesh-node: ${line}\n`)

const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, {
    cwd: root,
    // stdout belongs to the caller (prepare.mjs prints its one result there), so progress goes to stderr
    stdio: ["ignore", 2, 2],
    ...options
  })
  if (result.error) throw new Unprepared(`cannot run ${command}: ${result.error.message}`)
  return result.status ?? 1
}

const lockedPackages = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages
  } catch {
    return undefined
  }
}

/** Whether node_modules holds every package of the lock file that this platform needs. */
const installed = () => {
  const wanted = lockedPackages(join(root, "package-lock.json"))
  const present = lockedPackages(join(modules, ".package-lock.json"))
  if (wanted === undefined) throw new Unprepared("package-lock.json is missing or damaged")
  if (present === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true
    const found = present[path]
    if (found !== undefined) return found.version === entry.version
    return entry.optional === true && !isPinnedNode(path)
  })
}

const pinnedNode =
  process.platform === "linux" && ["x64", "arm64"].includes(process.arch)
    ? `node-linux-${process.arch}`
    : undefined
const isPinnedNode = (path) => path === `node_modules/${pinnedNode}`

const install = () => {
  say("installing packages (npm ci) …")
  const args = [
    "ci",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error"
  ]
  // under npm its own path is known and may not be on PATH
  const npm = process.env.npm_execpath
  const status =
    npm !== undefined && /npm-cli\.[cm]?js$/.test(npm)
      ? run(process.execPath, [npm, ...args])
      : run("npm", args)
  if (status !== 0) throw new Unprepared(`npm ci failed with exit code ${status}`)
}

export const ensureInstalled = () => {
  if (!installed()) install()
}

const majorOf = (executable) => {
  const result = spawnSync(executable, ["--version"], { encoding: "utf8" })
  return result.status === 0 ? Number(/^v(\d+)\./.exec(result.stdout)?.[1] ?? 0) : 0
}

/** The Node the node runs on: the pinned one, else (other platforms) the system's if new enough. */
export const nodeExecutable = () => {
  const pinned = join(modules, String(pinnedNode), "bin", "node")
  if (existsSync(pinned) && majorOf(pinned) >= 24) return pinned
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath
  throw new Unprepared(
    `Node 24 or later is needed; this is ${process.version}, and no release is pinned for ${process.platform}-${process.arch}`
  )
}

const sourceFiles = () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") || file.endsWith(".json"))
    .map((file) => join("src", file))
  return ["tsconfig.json", "package-lock.json", join("ops", "dev", "bundle.mjs"), ...files.sort()]
}

const fingerprint = () => {
  const hash = createHash("sha256")
  for (const file of sourceFiles()) {
    hash.update(`${file}\0`)
    hash.update(readFileSync(join(root, file)))
  }
  return hash.digest("hex")
}

const stamp = join(dist, ".sources")
const stampedFingerprint = () => (existsSync(stamp) ? readFileSync(stamp, "utf8") : "")

/** The commit the sources are at, marked when they differ from it. */
const commit = () => {
  const described = spawnSync("git", ["describe", "--always", "--dirty", "--exclude=*"], {
    cwd: root,
    encoding: "utf8"
  })
  return described.status === 0 ? described.stdout.trim() : "unknown"
}

/** Compiles `src/` to `dist/` when its contents differ from what `dist/` was made of. */
export const ensureBuilt = () => {
  const sources = fingerprint()
  if (stampedFingerprint() === sources) return
  say("building …")
  // built aside and swapped in, so that a failed or concurrent build leaves no half-made dist/
  const next = join(root, `.dist-${process.pid}`)
  mkdirSync(next, { recursive: true })
  try {
    const bundle = join(root, "ops", "dev", "bundle.mjs")
    const status = run(nodeExecutable(), [bundle, next])
    if (status !== 0) throw new Unprepared("the sources do not compile")
    writeFileSync(join(next, ".sources"), sources)
    writeFileSync(join(next, "build.json"), JSON.stringify({ commit: commit() }))
    rmSync(dist, { recursive: true, force: true })
    renameSync(next, dist)
  } finally {
    rmSync(next, { recursive: true, force: true })
  }
}

/** Runs `main` and turns `Unprepared` into one line and exit code 1. */
export const orExplain = (main) => {
  try {
    return main()
  } catch (error) {
    if (!(error instanceof Unprepared)) throw error
    say(error.message)
    return process.exit(1)
  }
}
