/** What every benchmark says about where it ran, and how it counts processor time. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"

export const describeMachine = (): string => {
  const [cpu] = cpus()
  return `${cpus().length} × ${cpu?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`
}

export const versionOf = (command: string, ...args: ReadonlyArray<string>): string => {
  const out = execFileSync(
    "sh",
    [
      "-c",
      `PATH=$PATH:/usr/sbin ${command} ${args.join(" ")} 2>&1 | head -1 | sed "s/^[A-Z][a-z]* [0-9]* [0-9:]* //"`
    ],
    {
      encoding: "utf8"
    }
  )
  return out.trim()
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }))

/** User and system seconds a process and its threads have used. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Resident octets. */
export const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024

const childrenOf = (pid: number): ReadonlyArray<number> =>
  execFileSync("sh", ["-c", `pgrep -P ${pid} || true`], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "")
    .map(Number)

/** A process and all below it: NSD works in children, and so does what strace runs. */
const familyOf = (pid: number): ReadonlyArray<number> => [pid, ...childrenOf(pid).flatMap(familyOf)]

const sumOver = (child: ChildProcess, of: (pid: number) => number): number =>
  familyOf(child.pid ?? 0).reduce((sum, pid) => sum + of(pid), 0)

/** Processor seconds of a server, its children included. */
export const cpuOf = (child: ChildProcess): number => sumOver(child, cpuSeconds)

/** Resident MB of a server, its children included. */
export const residentMb = (child: ChildProcess): number =>
  Math.round(sumOver(child, residentBytes) / 1e6)

/** Keeps this process, a generator, off the processor of the servers. */
export const pinSelf = (cpu: number): void => {
  execFileSync("taskset", ["-a", "-cp", String(cpu), String(process.pid)], { stdio: "ignore" })
}

export const isInstalled = (command: string): boolean =>
  spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${command}`]).status === 0

const started = new Set<ChildProcess>()

// A benchmark that fails must not leave its servers behind.
process.once("exit", () => {
  for (const child of started)
    if (child.exitCode === null && child.signalCode === null)
      for (const pid of familyOf(child.pid ?? 0).toReversed()) process.kill(pid, "SIGKILL")
})

export interface PinnedOptions {
  readonly env?: Readonly<Record<string, string>>
  /** On a disk whose every fsync takes 4 ms more: under strace, which stops only those. */
  readonly slow?: boolean
  /** Without what it says on stderr. */
  readonly quiet?: boolean
}

const slowDisk: ReadonlyArray<string> = [
  ...["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"],
  ...["-e", "inject=fsync,fdatasync:delay_exit=4000"]
]

/** Starts a program on one processor, or on those a list for taskset names; the generator runs on another. */
export const pinned = (
  cpu: number | string,
  command: string,
  args: ReadonlyArray<string>,
  options: PinnedOptions = {}
): ChildProcess => {
  const { env = {}, quiet = false, slow = false } = options
  const traced = slow ? slowDisk : []
  const child = spawn("taskset", ["-c", String(cpu), ...traced, command, ...args], {
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin`, ...env },
    stdio: ["ignore", "ignore", quiet ? "ignore" : "inherit"]
  })
  started.add(child)
  return child
}

export const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    // strace would go first and leave its program behind; ended itself, the program takes it along.
    const traced = child.spawnfile === "taskset" && child.spawnargs.includes("strace")
    const pid = (traced ? childrenOf(child.pid ?? 0).at(0) : child.pid) ?? 0
    process.kill(pid, "SIGTERM")
    setTimeout(() => {
      if (child.exitCode === null && child.signalCode === null) process.kill(pid, "SIGKILL")
    }, 15_000).unref()
  })

/** What every benchmark prints above its tables. */
export const heading = (title: string, ...facts: ReadonlyArray<string>): void =>
  console.log(
    `\n### ${title}\n\n${[describeMachine(), ...facts].filter((fact) => fact !== "").join("; ")}\n`
  )

/** Those of `servers` that are still there; says which are not. */
export const running = <S extends { readonly name: string; readonly child: ChildProcess }>(
  servers: ReadonlyArray<S>
): ReadonlyArray<S> =>
  servers.filter(({ child, name }) => {
    if (child.exitCode === null && child.signalCode === null) return true
    console.error(`SKIPPED: ${name} did not start`)
    return false
  })

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

/** A Markdown table. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number>>
): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
