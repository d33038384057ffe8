/**
 * `DMP_DNS_WORKERS` 1 and 2: the same node on the same two processors, rounds interleaved.
 *
 *     node bench/workers.ts [names=100000] [rounds=3] [seconds=3] [publishes=200]
 *
 * With three processors or more the generator has the others for itself, and queries per second
 * say what the second thread gains. With two it takes its time from the servers; then the gain
 * is what they say for themselves: the CPU time of one query, and the busiest thread's share of
 * the queries, which is full first. Publishes follow, each looked for from many ports as soon as
 * it is acknowledged, until every thread has it.
 */
import { createSocket, type Socket } from "node:dgram"
import { cpus } from "node:os"
import { join } from "node:path"
import { dnsperf } from "./lib/Dnsperf.ts"
import { cpuOf, heading, residentMb, stop, table } from "./lib/Machine.ts"
import { databaseCopy, scratch, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { percentiles } from "./lib/Percentiles.ts"
import { query } from "./lib/Query.ts"
import { interleaved } from "./lib/Rounds.ts"
import { metric } from "./lib/Scrape.ts"
import { queries, writeQueries, zone } from "./lib/Workload.ts"

const given = options({ names: 100_000, rounds: 3, seconds: 3, publishes: 200 })
const processors = cpus().length
const generator = processors > 2 ? `2-${processors - 1}` : "0,1"
const queryFile = join(scratch(), "queries")
writeQueries(queryFile, queries(given.names, 200_000, "mix"))

const nodes = []
for (const [i, workers] of [1, 2].entries()) {
  const dns = 15_360 + i
  const http = dns + 100
  const db = await databaseCopy(given.names)
  const child = await startNode("0,1", {
    db,
    dns,
    http,
    env: { DMP_DNS_WORKERS: String(workers) }
  })
  nodes.push({ name: `${workers} thread${workers > 1 ? "s" : ""}`, workers, dns, http, child })
}
type Started = (typeof nodes)[number]

const received = "dmp_dns_messages_total"
const beside = "dmp_dns_thread_messages_total"

const round = async ({ child, dns, http }: Started) => {
  const counted = async () => [await metric(http, received), await metric(http, beside)] as const
  const [allBefore, besideBefore] = await counted()
  const before = cpuOf(child)
  const { completed, lost, qps } = await dnsperf({
    port: dns,
    queryFile,
    seconds: given.seconds,
    // One source port each: the more there are, the more evenly the kernel spreads them.
    connections: 64,
    cpus: generator
  })
  const cpu = ((cpuOf(child) - before) / completed) * 1e6
  // Threads tell what they have counted once a second.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const [allAfter, besideAfter] = await counted()
  const share = (besideAfter - besideBefore) / (allAfter - allBefore)
  return { completed, lost, qps, cpu, busiest: Math.max(share, 1 - share) }
}

for (const node of nodes) await round(node)
const of = await interleaved(nodes, given.rounds, round)

/** Whole processors' worth of queries per second: where the busiest thread has no time left. */
const capacity = (name: string) => 1e6 / of(name, ({ busiest, cpu }) => cpu * busiest)

heading(
  `UDP on threads, ${given.names.toLocaleString("en")} names`,
  `${given.rounds} rounds of ${given.seconds} s`,
  processors > 2 ? "generator on processors of its own" : "generator on the same two processors"
)
console.log(
  table(
    ["", "CPU µs/query", "busiest thread", "queries/s", "queries/s, generator excluded", "RSS MB"],
    nodes.map(({ child, name }) => [
      name,
      of(name, ({ cpu }) => cpu).toFixed(2),
      `${Math.round(of(name, ({ busiest }) => busiest) * 100)} %`,
      Math.round(of(name, ({ qps }) => qps)),
      Math.round(capacity(name)),
      residentMb(child)
    ])
  )
)
const [one, two] = nodes.map(({ name }) => capacity(name))
console.log(`\ngain, generator excluded: ${((two ?? NaN) / (one ?? NaN)).toFixed(2)} ×`)

const hears = (socket: Socket, port: number, message: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    socket.once("message", resolve)
    socket.send(message, port, "127.0.0.1")
  })

/** Milliseconds from each acknowledgement until clients on 16 ports find the value. */
const lags = async ({ dns, http }: Started): Promise<ReadonlyArray<number>> => {
  const sockets = Array.from({ length: 16 }, () => createSocket("udp4"))
  const times: Array<number> = []
  for (let i = 0; i < given.publishes; i++) {
    const owner = `lag${i}.${zone}`
    const message = query(owner)
    const response = await fetch(`http://127.0.0.1:${http}/v1/records/${owner}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ value: "here", ttl: 300 })
    })
    const acknowledged = performance.now()
    if (response.status !== 201) throw new Error(`the publish was refused: ${response.status}`)
    for (;;) {
      const sent = performance.now()
      const replies = await Promise.all(sockets.map((socket) => hears(socket, dns, message)))
      // What was sent at that time already found it.
      if (replies.every((reply) => reply.readUInt16BE(6) === 1)) {
        times.push(sent - acknowledged)
        break
      }
    }
    await response.arrayBuffer()
  }
  sockets.forEach((socket) => socket.close())
  return times
}

console.log(`\nPublish to every thread, ms from the acknowledgement until all of them have it\n`)
const rows = []
for (const node of nodes) {
  const found = percentiles(await lags(node))
  rows.push([node.name, found.p50.toFixed(2), found.p99.toFixed(2), found.max.toFixed(2)])
}
console.log(table(["", "p50", "p99", "max"], rows))
await Promise.all(nodes.map(({ child }) => stop(child)))
