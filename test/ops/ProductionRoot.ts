/**
 * What runs in production, as a root file system of its own: the image's when there is one, else
 * put together on this machine the way the Dockerfile does it. Whatever runs in it has uid 999, no
 * capability, a read-only root and one writable volume, as docker-compose.yml has it.
 */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync
} from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { directory } from "../e2e/NodeProcess.ts"

const project = join(import.meta.dirname, "../..")
export const owner = 999

export interface ProductionRoot {
  readonly path: string
  /** `<folder of this machine>:<folder in the root>`, shown read-only. */
  readonly shown: ReadonlyArray<string>
  /** What starts the program, without arguments. */
  readonly entry: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** The variables the Dockerfile sets for its last stage. */
const imageEnv = (): Record<string, string> => {
  const block = /^ENV ((?:.*\\\n)*.*)$/m.exec(readFileSync(join(project, "Dockerfile"), "utf8"))
  return Object.fromEntries(
    (block?.[1] ?? "")
      .replaceAll("\\\n", " ")
      .trim()
      .split(/\s+/)
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)] as const)
  )
}

const flags = [
  "--max-semi-space-size=4",
  "--no-parallel-scavenge",
  "--no-allocation-site-pretenuring",
  "/opt/dnsmesh-node/dist/main.js"
]

/** The Dockerfile's last stage over this machine's libraries; `dist/` is what its bundler made. */
export const staged: Effect.Effect<ProductionRoot, never, Scope.Scope> = Effect.map(
  directory,
  (path) => {
    const app = join(path, "opt/dnsmesh-node")
    const driver = join(project, "node_modules/better-sqlite3")
    const native = join(app, "node_modules/better-sqlite3")
    for (const folder of ["usr", "etc", "proc", "dev", "tmp", "var/lib/dmp", "opt/node"])
      mkdirSync(join(path, folder), { recursive: true })
    for (const folder of ["bin", "lib", "lib64", "sbin"])
      symlinkSync(`usr/${folder}`, join(path, folder))
    mkdirSync(join(native, "prebuilds"), { recursive: true })
    cpSync(join(driver, "lib"), join(native, "lib"), { recursive: true })
    for (const file of ["package.json", `prebuilds/linux-${process.arch}.node`])
      copyFileSync(join(driver, file), join(native, file))
    cpSync(join(project, "dist"), join(app, "dist"), { recursive: true })
    cpSync(join(project, "ops/bin"), join(app, "ops/bin"), { recursive: true })
    copyFileSync(join(project, "package.json"), join(app, "package.json"))
    const node = join(path, "opt/node/node")
    try {
      linkSync(process.execPath, node)
    } catch {
      copyFileSync(process.execPath, node)
    }
    chmodSync(path, 0o755)
    return {
      path,
      shown: ["/usr:/usr", "/etc:/etc"],
      entry: ["/opt/node/node", ...flags],
      env: imageEnv()
    }
  }
)

const output = (command: string, args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
  return stdout.trim()
}

/** The root of an image that buildah holds, as ops/image-check's stand-in leaves it. */
export const ofImage = (image: string): Effect.Effect<ProductionRoot, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => output("buildah", ["from", "--pull-never", image])),
    (container) => Effect.sync(() => void output("buildah", ["rm", container]))
  ).pipe(
    Effect.map((container) => ({
      path: output("buildah", ["mount", container]),
      shown: [],
      entry: ["node", ...flags],
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...imageEnv() }
    }))
  )

// The mounts are a namespace's own and go with its last process. Nothing stays behind on this
// machine, and the process keeps its id through every `exec`.
const enter = `
root=$1 volume=$2; shift 2
mount --bind "$root" "$root"; cd "$root"
while [ "$1" != -- ]; do
  mount --bind "\${1%%:*}" "$root\${1#*:}"; mount -o remount,bind,ro "$root\${1#*:}"; shift
done; shift
mount -t proc proc "$root/proc"; mount --bind /dev "$root/dev"; mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$volume" "$root/var/lib/dmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid=${owner} --regid=${owner} --clear-groups \\
  --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"`

/** Command and arguments that run `args` of the program over `volume`. */
export const invocation = (
  { entry, env, path, shown }: ProductionRoot,
  volume: string,
  args: ReadonlyArray<string>,
  more: Readonly<Record<string, string>> = {}
): readonly [string, ReadonlyArray<string>] =>
  raw({ path, shown }, volume, [
    ...["/usr/bin/env", "-i"],
    ...Object.entries({ ...env, ...more }).map(([name, value]) => `${name}=${value}`),
    ...entry,
    ...args
  ])

/** The same for any program in the root. */
export const raw = (
  { path, shown }: Pick<ProductionRoot, "path" | "shown">,
  volume: string,
  command: ReadonlyArray<string>
): readonly [string, ReadonlyArray<string>] => [
  "unshare",
  [
    "--mount",
    "--propagation=private",
    "sh",
    "-euc",
    enter,
    "enter",
    path,
    volume,
    ...shown,
    "--",
    ...command
  ]
]

/** Whether this machine lets us make such namespaces. */
export const possible = (): boolean => {
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
  if (status !== 0) console.error("SKIPPED: no mount namespaces here (root on Linux has them)")
  return status === 0
}
