/** The program of soak.mjs. */
import { execFile, spawn, type ChildProcess } from "node:child_process"
import { cpus } from "node:os"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describeMachine, sleep, stop, table, versionOf } from "../../bench/lib/Machine.ts"
import { databaseCopy, ready, scratch, spawnNode, token } from "../../bench/lib/Node.ts"
import { options } from "../../bench/lib/Options.ts"
import { percentiles } from "../../bench/lib/Percentiles.ts"
import { zone } from "../../bench/lib/Workload.ts"
import { freePort } from "../fixtures/FreePort.ts"
import { Follower } from "../fixtures/Followers.ts"
import { secondaries, transferKey } from "../fixtures/Secondaries.ts"
import { ZoneWriter } from "../fixtures/ZoneWriter.ts"

const given = options({ minutes: 60, records: 20_000, rate: 5, restarts: 45, seed: 1 })

/** The same sequence for the same seed. */
let state = given.seed
const random = () => {
  state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
  return state / 0x7fffffff
}

const port = () => Effect.runPromise(freePort)

const say = (line: string) => console.error(`${Math.round(performance.now() / 1000)} s: ${line}`)

interface Running {
  readonly name: string
  child: ChildProcess
  readonly start: () => ChildProcess
  /** Whose figures a restart spoils. */
  readonly followers: ReadonlyArray<Follower>
  restarts: { SIGTERM: number; SIGKILL: number }
}

const dir = scratch()
const [dns, http] = [await port(), await port()]
const ports = await Promise.all(secondaries.map(port))
const db = await databaseCopy(given.records)
const everyCpu = `0-${cpus().length - 1}`
const startNode = () =>
  spawnNode(everyCpu, {
    db,
    dns,
    http,
    env: {
      DMP_XFR_TSIG: transferKey,
      DMP_XFR_NOTIFY: ports.map((port) => `127.0.0.1:${port}`).join(","),
      DMP_LOG_LEVEL: "ERROR",
      DMP_CLEANUP_INTERVAL: "5"
    }
  })

const followers = secondaries.map(({ name }, i) => new Follower(name, ports[i] ?? 0, zone))
const primary = new Follower("node", dns, zone)
const node: Running = {
  name: "node",
  child: startNode(),
  start: startNode,
  followers,
  restarts: { SIGTERM: 0, SIGKILL: 0 }
}
await ready(http, node.child)
const running: ReadonlyArray<Running> = [
  node,
  ...secondaries.map(({ name, prepare, program }, i): Running => {
    const own = join(dir, name)
    mkdirSync(own)
    const args = prepare({ own: ports[i] ?? 0, primary: dns, dir: own, zone })
    const start = () => spawn(program, args, { stdio: ["ignore", "ignore", "ignore"] })
    const followed = followers[i]
    return {
      name,
      child: start(),
      start,
      followers: followed === undefined ? [] : [followed],
      restarts: { SIGTERM: 0, SIGKILL: 0 }
    }
  })
]
process.once("exit", () => {
  for (const { child } of running) child.kill("SIGKILL")
})

const loops = [primary, ...followers].map((follower) => follower.run())
const agree = async (seconds: number): Promise<boolean> => {
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(200))
    if (
      primary.serial !== undefined &&
      followers.every(({ behind, serial }) => serial === primary.serial && behind === 0)
    )
      return true
  return false
}
if (!(await agree(60))) throw new Error("the secondaries did not take the zone")
say(`the secondaries have the zone, serial ${primary.serial}`)

const writer = new ZoneWriter({
  http,
  token,
  zone,
  rate: given.rate,
  random,
  expect: (change) => followers.forEach((follower) => follower.expect(change)),
  forget: (change) => followers.forEach((follower) => follower.forget(change))
})
const writing = writer.run()

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
  })

const restart = async (which: Running, signal: "SIGTERM" | "SIGKILL", downMs: number) => {
  for (const follower of which.followers) follower.down()
  if (signal === "SIGTERM") await stop(which.child)
  else which.child.kill("SIGKILL")
  await exited(which.child)
  await sleep(downMs)
  which.child = which.start()
  if (which === node) await ready(http, which.child)
  for (const follower of which.followers) follower.up()
  which.restarts[signal]++
  say(
    `${which.name} ${signal}, down ${Math.round(downMs / 1000)} s; behind: ${followers.map(({ behind, name }) => `${name} ${behind}`).join(", ")}`
  )
}

const end = performance.now() + given.minutes * 60_000
while (performance.now() < end) {
  // Around the mean: half to one and a half times.
  await sleep(Math.min(given.restarts * (0.5 + random()) * 1000, end - performance.now()))
  if (performance.now() >= end) break
  const which = random() < 0.4 ? node : (running[1 + Math.floor(random() * 3)] ?? node)
  await restart(which, random() < 0.5 ? "SIGTERM" : "SIGKILL", Math.floor(random() * 8000))
}
writer.stop()
say("no more writes")
await writing
const agreed = await agree(120)
say(agreed ? `all at serial ${primary.serial}` : "THE SERIALS DIFFER")

/** Records of a whole transfer but the SOA, each as one line. */
const transferred = (port: number, ...args: ReadonlyArray<string>): Promise<ReadonlySet<string>> =>
  new Promise((resolve, reject) =>
    execFile(
      "dig",
      [
        "@127.0.0.1",
        "-p",
        String(port),
        zone,
        "AXFR",
        "+nocomments",
        "+nostats",
        "+nocmd",
        ...args
      ],
      { maxBuffer: 2 ** 30 },
      (error, stdout) =>
        error !== null
          ? reject(error)
          : resolve(
              new Set(
                stdout
                  .split("\n")
                  .filter((line) => line !== "" && !/^;|\s(?:SOA|TSIG)\s/.test(line))
                  .map((line) => line.replace(/[\t ]+/g, " ").toLowerCase())
              )
            )
    )
  )
const truth = await transferred(dns, "-y", transferKey)
const there = new Set([...truth].map((line) => line.slice(0, line.indexOf(" ") - 1)))
const lost = [...writer.held.keys()].filter(
  (owner) => !there.has(owner) && !writer.unknown.has(owner)
)
const compared = []
for (const follower of followers) {
  const copy = await transferred(follower.port)
  compared.push({
    follower,
    missing: [...truth].filter((line) => !copy.has(line)),
    extra: [...copy].filter((line) => !truth.has(line))
  })
}
for (const loop of [primary, ...followers]) loop.stop()
await Promise.all(loops)
for (const { child } of running) await stop(child)

const seconds = (ms: number) => (Number.isNaN(ms) ? "–" : (ms / 1000).toFixed(2))
const figures = (lags: ReadonlyArray<number>) => {
  const { count, max, p50, p99 } = percentiles(lags)
  return [count, seconds(p50), seconds(p99), seconds(max)]
}
const { counts } = writer
console.log(`### Secondaries over ${given.minutes} min

${describeMachine()}; ${secondaries.map(({ program, versionFlag }) => versionOf(program, versionFlag)).join("; ")}

${given.records} records at the start, ${truth.size} at the end; ${given.rate} writes/s: ${counts.published} published, ${counts.expired} of them ended by themselves, ${counts.deleted} deleted, ${counts.refreshed} refreshed, ${counts.failed} without success (the node was down). Acknowledged but gone from the node: ${lost.length}. Serials at the end: ${agreed ? "equal" : "DIFFERENT"}.

${table(
  ["restarts", "SIGTERM", "SIGKILL"],
  running.map(({ name, restarts }) => [name, restarts.SIGTERM, restarts.SIGKILL])
)}

Seconds from the acknowledgement, or from the end of a life, until a secondary shows it:

${table(
  [
    "secondary",
    ...["changes", "p50", "p99", "max"],
    ...["around restarts", "p50", "p99", "max"],
    ...["missing", "extra"]
  ],
  compared.map(({ extra, follower, missing }) => [
    follower.name,
    ...figures(follower.steady),
    ...figures(follower.disturbed),
    missing.length,
    extra.length
  ])
)}
`)
for (const { extra, follower, missing } of compared)
  for (const line of [
    ...missing.map((it) => `missing: ${it}`),
    ...extra.map((it) => `extra: ${it}`)
  ].slice(0, 10))
    console.log(`${follower.name} ${line.slice(0, 150)}`)
for (const owner of lost.slice(0, 10)) console.log(`lost: ${owner}`)
const failed =
  !agreed ||
  lost.length > 0 ||
  compared.some(({ extra, missing }) => extra.length + missing.length > 0)
process.exit(failed ? 1 : 0)
