/** Our own node as a benchmark runs it: the built program over a database filled beforehand. */
import { execFileSync, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { unsafeMake } from "../../src/wire/Name.ts"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { pinned, sleep } from "./Machine.ts"
import { meshHeld } from "./MeshWorkload.ts"
import { held, zone } from "./Workload.ts"

const main = new URL("../../dist/main.js", import.meta.url).pathname

/** Which records a database has: the queries' zone, or mesh records that peers take over. */
export type Content = "zone" | "mesh"

const contents = { zone: held, mesh: meshHeld } as const

/** A database with the first `names` records of the workload, made once for each size. */
export const database = async (names: number, content: Content = "zone"): Promise<string> => {
  const dir = join(tmpdir(), `dnsmesh-bench-${content === "zone" ? "" : `${content}-`}${names}`)
  const path = join(dir, "dmp.db")
  if (existsSync(`${path}.complete`)) return path
  const createdAt = Math.floor(performance.timeOrigin / 1000)
  const fill = Effect.gen(function* () {
    const store = yield* RecordStore
    for (let from = 0; from < names; from += 5000)
      yield* store.commit(
        Array.from({ length: Math.min(5000, names - from) }, (_, i) => {
          const { owner, value } = contents[content](from + i)
          const row = {
            owner: unsafeMake(owner),
            value,
            ttl: 86_400 * 30,
            createdAt,
            expiresAt: createdAt + 86_400 * 30
          }
          return { _tag: "Put", row } as const
        })
      )
  })
  await Effect.runPromise(Effect.provide(fill, SqlRecordStore.layerFile(path)))
  writeFileSync(`${path}.complete`, "")
  return path
}

/** A directory that goes when the benchmark ends. */
export const scratch = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "dnsmesh-bench-"))
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A copy of a `database` that a benchmark may write to. */
export const databaseCopy = async (names: number, content?: Content): Promise<string> => {
  const path = join(scratch(), "dmp.db")
  execFileSync("cp", ["--reflink=auto", await database(names, content), path])
  return path
}

export interface NodeOptions {
  readonly db: string
  readonly dns: number
  readonly http: number
  readonly env?: Record<string, string>
  readonly slow?: boolean
}

/** As the launchers and the image start it. */
const flags = [
  "--max-semi-space-size=4",
  "--no-parallel-scavenge",
  "--no-allocation-site-pretenuring"
]

/** Starts the node without waiting for it. */
export const spawnNode = (cpu: number | string, options: NodeOptions): ChildProcess =>
  pinned(cpu, process.execPath, [...flags, main, "serve"], {
    slow: options.slow ?? false,
    env: settingsOf(options)
  })

const settingsOf = (options: NodeOptions): Readonly<Record<string, string>> => ({
  // As there.
  MALLOC_ARENA_MAX: "2",
  DMP_DB_PATH: options.db,
  DMP_DOMAIN: zone,
  DMP_DNS_HOST: "127.0.0.1",
  DMP_DNS_PORT: String(options.dns),
  DMP_HTTP_HOST: "127.0.0.1",
  DMP_HTTP_PORT: String(options.http),
  DMP_DNS_RATE: "0",
  DMP_HTTP_RATE: "0",
  DMP_OPERATOR_TOKEN: "bench-token-0123456789abcdef0123",
  DMP_LOG_LEVEL: "WARNING",
  ...options.env
})

/** Runs one of the node's own commands and gives what it printed as JSON. */
export const command = (db: string, ...args: ReadonlyArray<string>): unknown =>
  JSON.parse(
    execFileSync(process.execPath, [main, ...args, "--json"], {
      encoding: "utf8",
      env: { ...process.env, DMP_DB_PATH: db, DMP_DOMAIN: zone }
    })
  )

export const startNode = async (
  cpu: number | string,
  options: NodeOptions
): Promise<ChildProcess> => {
  const child = spawnNode(cpu, options)
  await ready(options.http, child)
  return child
}

export const ready = async (port: number, child?: ChildProcess): Promise<void> => {
  for (let attempt = 0; attempt < 1200; attempt++) {
    if (child !== undefined && child.exitCode !== null) break
    const ok = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (response) => response.ok,
      () => false
    )
    if (ok) return
    await sleep(50)
  }
  throw new Error("the node did not get ready")
}

export const token = "bench-token-0123456789abcdef0123"
