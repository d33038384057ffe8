/**
 * UDP queries: our node beside NSD, Knot, BIND and a bare datagram echo, servers on one
 * processor, dnsperf on the other, rounds interleaved. Gate on CPU per query: it hardly
 * moves when a neighbour is busy, queries per second do.
 *
 *     node bench/udp.ts [names=100000] [rounds=3] [seconds=3] [mix|hits|misses]
 */
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import {
  cpuSeconds,
  describeMachine,
  median,
  residentBytes,
  sleep,
  stop,
  table,
  versionOf
} from "./lib/Machine.ts"
import { database, scratch, startNode } from "./lib/Node.ts"
import { bind, echo, knot, nsd } from "./lib/Rivals.ts"
import { type Mix, queries, writeQueries, writeZone } from "./lib/Workload.ts"

const [names = 100_000, rounds = 3, seconds = 3] = process.argv.slice(2, 5).map(Number)
const mix = (process.argv[5] ?? "mix") as Mix
const basePort = 15_300

const dir = scratch()
const zoneFile = join(dir, "zone")
const queryFile = join(dir, "queries")
writeZone(zoneFile, names)
writeQueries(queryFile, queries(names, 200_000, mix))

const servers = [
  {
    name: "dnsmesh-node",
    port: basePort,
    child: await startNode(0, { db: await database(names), dns: basePort, http: basePort + 100 })
  },
  ...[echo, nsd, knot, bind].map((rival, i) => ({
    name: rival.name,
    port: basePort + 1 + i,
    child: rival.start(0, basePort + 1 + i, dir, zoneFile)
  }))
]
await sleep(3000)

/** The process that does the work: NSD and taskset have children. */
const pidsOf = (pid: number): ReadonlyArray<number> => {
  const children = execFileSync("sh", ["-c", `pgrep -P ${pid} || true`], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "")
    .map(Number)
  return [pid, ...children.flatMap(pidsOf)]
}
const cpuOf = (pid: number): number => pidsOf(pid).reduce((sum, it) => sum + cpuSeconds(it), 0)

const dnsperf = (port: number, time: number, ...extra: ReadonlyArray<string>): string =>
  execFileSync(
    "taskset",
    [
      "-c",
      "1",
      "dnsperf",
      "-s",
      "127.0.0.1",
      "-p",
      String(port),
      "-d",
      queryFile,
      "-e",
      "-c",
      "8",
      "-q",
      "100",
      "-l",
      String(time),
      ...extra
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }
  )
const figure = (out: string, label: RegExp): number => Number(label.exec(out)?.[1] ?? NaN)

interface Sample {
  readonly qps: number
  readonly cpu: number
  readonly lost: number
}
const samples = new Map<string, Array<Sample>>()
for (const { port } of servers) dnsperf(port, 2)
for (let round = 0; round < rounds; round++)
  for (const { name, port, child } of servers) {
    const before = cpuOf(child.pid ?? 0)
    const out = dnsperf(port, seconds)
    const used = cpuOf(child.pid ?? 0) - before
    const completed = figure(out, /Queries completed:\s+(\d+)/)
    const list = samples.get(name) ?? []
    list.push({
      qps: figure(out, /Queries per second:\s+([\d.]+)/),
      cpu: (used / completed) * 1e6,
      lost: figure(out, /Queries lost:\s+(\d+)/)
    })
    samples.set(name, list)
  }

const of = (name: string, pick: (sample: Sample) => number): number =>
  median((samples.get(name) ?? []).map(pick))
const floor = of("dgram echo", (it) => it.cpu)
console.log(`\n### UDP, ${names.toLocaleString("en")} names, ${mix}\n`)
console.log(
  `${describeMachine()}; ${versionOf("nsd", "-v")}; ${versionOf("knotd", "-V")}; ${versionOf("named", "-v")}; ${rounds} rounds of ${seconds} s\n`
)
console.log(
  table(
    ["server", "CPU µs/query", "÷ echo", "queries/s", "lost", "RSS MB"],
    servers.map(({ name, child }) => [
      name,
      of(name, (it) => it.cpu).toFixed(2),
      (of(name, (it) => it.cpu) / floor).toFixed(2),
      Math.round(of(name, (it) => it.qps)),
      of(name, (it) => it.lost),
      Math.round(pidsOf(child.pid ?? 0).reduce((sum, pid) => sum + residentBytes(pid), 0) / 1e6)
    ])
  )
)
await Promise.all(servers.map(({ child }) => stop(child)))
