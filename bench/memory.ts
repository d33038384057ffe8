/**
 * Memory and start of our node by the number of records it holds: from its start to its first
 * answer, memory then and after a burst of queries, octets of database for each record.
 *
 *     node bench/memory.ts [rounds=3] [most=1000000]
 */
import { createSocket } from "node:dgram"
import { statSync } from "node:fs"
import { join } from "node:path"
import { dnsperf } from "./lib/Dnsperf.ts"
import { heading, median, pinSelf, residentMb, sleep, stop, table } from "./lib/Machine.ts"
import { database, ready, scratch, spawnNode } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { query } from "./lib/Query.ts"
import { held, queries, writeQueries, zone } from "./lib/Workload.ts"

const { most, rounds } = options({ rounds: 3, most: 1_000_000 })
const [dns, http] = [15_350, 15_395]
pinSelf(1)

/** Asks every 5 ms until there is a positive answer. */
const firstAnswer = (owner: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4")
    // Nobody listens yet: the kernel's refusals are what is to be waited out.
    socket.on("error", () => {})
    const timer = setInterval(() => socket.send(query(owner), dns, "127.0.0.1"), 5)
    socket.on("message", (reply) => {
      if ((reply.readUInt8(3) & 0x0f) !== 0) return
      clearInterval(timer)
      socket.close()
      resolve()
    })
  })

const measure = async (names: number) => {
  const db = await database(names)
  const queryFile = join(scratch(), "queries")
  writeQueries(queryFile, queries(Math.max(names, 1), 200_000, "mix"))
  const began = performance.now()
  const node = spawnNode(0, { db, dns, http })
  await firstAnswer(names === 0 ? zone : held(names - 1).owner)
  const firstMs = performance.now() - began
  await ready(http, node)
  await sleep(2000)
  const idle = residentMb(node)
  await dnsperf({ port: dns, queryFile, seconds: 3 })
  const loaded = residentMb(node)
  await stop(node)
  return { firstMs, idle, loaded, octets: statSync(db).size / names }
}

heading("Memory and start", `median of ${rounds} starts`)
const rows: Array<ReadonlyArray<string | number>> = []
const perRecord = (mb: number, empty: number, names: number) =>
  names === 0 ? "–" : Math.round(((mb - empty) * 1e6) / names)
let empty = 0
for (const names of [0, 100_000, 1_000_000].filter((count) => count <= most)) {
  const runs: Array<Awaited<ReturnType<typeof measure>>> = []
  for (let round = 0; round < rounds; round++) runs.push(await measure(names))
  const idle = median(runs.map((run) => run.idle))
  if (names === 0) empty = idle
  rows.push([
    names.toLocaleString("en"),
    Math.round(median(runs.map((run) => run.firstMs))),
    idle,
    perRecord(idle, empty, names),
    median(runs.map((run) => run.loaded)),
    names === 0 ? "–" : Math.round(median(runs.map((run) => run.octets)))
  ])
}
console.log(
  table(
    [
      "records",
      "first answer ms",
      "RSS MB",
      "octets/record",
      "RSS MB after load",
      "octets/record on disk"
    ],
    rows
  )
)
