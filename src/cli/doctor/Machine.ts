/** What can be told without a running node: disk, files, versions, clock, who holds port 53. */
import { Clock, DateTime, Effect, Option } from "effect"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { access, constants, readdir, readFile, stat, statfs } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { NodeConfig } from "../../Settings.ts"
import { databases, type SecretFile } from "../../sql/DataFiles.ts"
import { type Finding, fail, ok, unknown, warn } from "./Finding.ts"

const mebi = 1024 * 1024

/** A promise whose failure is a fact like any other. */
const attempt = <A>(run: () => Promise<A>) => Effect.option(Effect.tryPromise(run))

export const disk = ({ store }: NodeConfig): Effect.Effect<Finding> =>
  Effect.gen(function* () {
    const directory = dirname(store.dbPath)
    const free = yield* attempt(() => statfs(directory))
    if (Option.isNone(free))
      return fail(
        "disk",
        `${directory} cannot be looked at`,
        "create it, owned by the user the node runs as"
      )
    const megabytes = Math.floor((free.value.bavail * free.value.bsize) / mebi)
    const used = yield* attempt(() => stat(store.dbPath))
    const size = Option.match(used, { onNone: () => 0, onSome: ({ size }) => size / mebi })
    const message = `${megabytes} MiB free in ${directory}`
    if (megabytes < 64) return fail("disk", message, "make room: the node refuses writes soon")
    return megabytes < 512 + 3 * size
      ? warn("disk", message, "keep room for a backup, a migration's copy and growth")
      : ok("disk", message)
  })

/** Files that others may read or this user cannot. */
export const permissions = (
  { store }: NodeConfig,
  secrets: ReadonlyArray<SecretFile>
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const own = databases(store).flatMap(({ path }) => [path, `${path}-wal`, `${path}-shm`])
    const files = [...own, ...secrets.map(({ path }) => path)].filter(existsSync)
    const found: Array<Finding> = []
    for (const path of [dirname(store.dbPath), ...files]) {
      const seen = yield* attempt(() => stat(path))
      if (Option.isNone(seen)) continue
      const { mode } = seen.value
      const wanted = seen.value.isDirectory() ? "700" : "600"
      if ((mode & (seen.value.isDirectory() ? 0o027 : 0o077)) !== 0)
        found.push(
          warn(
            "permissions",
            `${path} is open to others (${(mode & 0o777).toString(8)})`,
            `chmod ${wanted} ${path}`
          )
        )
      const usable = yield* attempt(() => access(path, constants.R_OK))
      if (Option.isNone(usable))
        found.push(
          fail("permissions", `this user cannot read ${path}`, "chown it to the node's user")
        )
    }
    return found.length > 0
      ? found
      : [ok("permissions", `${files.length} files and their directory are the node's alone`)]
  })

export const version = (build: { readonly version: string; readonly commit: string }): Finding => {
  const running = `dnsmesh-node ${build.version} (${build.commit}) on Node ${process.version}`
  const major = Number(process.versions.node.split(".")[0])
  return major >= 24
    ? ok("version", running)
    : fail("version", running, "install Node 24 or later; SQLite's driver crashes on older ones")
}

/** Whether the kernel says that something keeps the clock right. */
export const clock: Effect.Effect<Finding> = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const shown = DateTime.formatIso(DateTime.unsafeMake(now))
  if (now < Date.UTC(2026, 0, 1))
    return fail("clock", `it is ${shown}, says this machine`, "set the clock; run an NTP client")
  const synchronised = yield* Effect.async<string>((resume) => {
    execFile(
      "timedatectl",
      ["show", "--property=NTPSynchronized", "--value"],
      { timeout: 2000 },
      (_, stdout) => resume(Effect.succeed(stdout.trim()))
    )
  })
  if (synchronised === "yes") return ok("clock", `${shown}, kept right by NTP`)
  return synchronised === "no"
    ? warn(
        "clock",
        `${shown}, and nothing keeps it right`,
        "timedatectl set-ntp true; TSIG and signed records allow 300 s"
      )
    : unknown("clock", `${shown}; whether NTP keeps it right is not seen from here`, "timedatectl")
})

/** Local addresses with a UDP socket on `port`, as /proc shows them. */
const holders = (port: number) =>
  Effect.gen(function* () {
    const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
    const found: Array<string> = []
    for (const file of ["/proc/net/udp", "/proc/net/udp6"]) {
      const text = Option.getOrElse(yield* attempt(() => readFile(file, "utf8")), () => "")
      for (const line of text.split("\n")) {
        const local = line.trim().split(/\s+/)[1] ?? ""
        if (local.endsWith(hex)) found.push(local.slice(0, -hex.length))
      }
    }
    return found
  })

/** 127.0.0.53 and 127.0.0.54 as /proc writes them on a little-endian machine. */
const stub = /^(35|36)00007F$/

/** Who holds the port the node is to have, when it is not the node. */
export const portConflict = (
  { dns }: NodeConfig,
  answering: boolean
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    if (answering) return []
    const taken = yield* holders(dns.port)
    if (taken.length === 0) return []
    if (dns.port === 53 && taken.every((address) => stub.test(address)))
      return [
        fail(
          "port-53",
          "systemd-resolved holds port 53 of this machine",
          "bind the public address alone (DMP_DNS_HOST, in compose DNSMESH_DNS_PUBLISH=203.0.113.7:53), or DNSStubListener=no in /etc/systemd/resolved.conf"
        )
      ]
    return [
      fail(
        `port-${dns.port}`,
        `another program holds UDP port ${dns.port}`,
        `see which: ss -lunp sport = :${dns.port}`
      )
    ]
  })

const staleAfter = 2

/** Whether there are recent backups. */
export const backups = ({ backup }: NodeConfig): Effect.Effect<Finding> =>
  Effect.gen(function* () {
    if (Option.isNone(backup.directory))
      return warn(
        "backup",
        "the node makes no backups",
        "set DMP_BACKUP_DIR, or call `dnsmesh-node backup` from a timer; docs/backup.md"
      )
    const directory = backup.directory.value
    const names = Option.getOrElse(yield* attempt(() => readdir(directory)), () => [])
    const newest = names
      .filter((name) => /^dnsmesh-backup-.*\.tar/.test(name))
      .sort()
      .at(-1)
    if (newest === undefined)
      return warn("backup", `no backup in ${directory} yet`, "one follows soon after the start")
    const made = yield* attempt(() => stat(join(directory, newest)))
    const age = Option.match(made, {
      onNone: () => Infinity,
      onSome: ({ mtimeMs }) => mtimeMs
    })
    const hours = Math.round(((yield* Clock.currentTimeMillis) - age) / 3_600_000)
    const message = `the newest backup, ${basename(newest)}, is ${hours} h old`
    return hours * 3600 > staleAfter * backup.interval
      ? fail("backup", message, "look for `backup failed` in the log")
      : ok("backup", message)
  })
