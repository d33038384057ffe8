/**
 * Whether users and records cost anything: queries per second with 1 and with 10,000 TSIG keys,
 * publishes per second over 10,000 and over a million records.
 *
 *     node bench/keys.ts [names=10000] [keys=10000] [records=1000000] [rounds=3] [seconds=3]
 */
import { join } from "node:path"
import { dnsperf } from "./lib/Dnsperf.ts"
import { addTsigKeys } from "./lib/Keys.ts"
import { cpuOf, heading, pinSelf, stop, table } from "./lib/Machine.ts"
import { databaseCopy, scratch, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { publishing } from "./lib/Publishing.ts"
import { interleaved, times } from "./lib/Rounds.ts"
import { queries, writeQueries } from "./lib/Workload.ts"

const given = options({ names: 10_000, keys: 10_000, records: 1_000_000, rounds: 3, seconds: 3 })
const { names, rounds, seconds } = given
const basePort = 15_360
pinSelf(1)

const queryFile = join(scratch(), "queries")
writeQueries(queryFile, queries(names, 200_000, "mix"))

const start = async (name: string, at: number, records: number, keys: number) => {
  const db = await databaseCopy(records)
  await addTsigKeys(db, keys)
  const [port, http] = [basePort + at, basePort + 30 + at]
  const child = await startNode(0, { db, dns: port, http, env: { DMP_DNS_UPDATE_ENABLED: "1" } })
  return { name, port, http, child }
}
const count = (of: number) => of.toLocaleString("en")

const byKeys = [
  await start("1 key", 0, names, 1),
  await start(`${count(given.keys)} keys`, 1, names, given.keys)
]
for (const { port } of byKeys) await dnsperf({ port, queryFile, seconds: 2 })
const asked = await interleaved(byKeys, rounds, async ({ child, port }) => {
  const before = cpuOf(child)
  const answered = await dnsperf({ port, queryFile, seconds })
  return { ...answered, cpu: ((cpuOf(child) - before) / answered.completed) * 1e6 }
})
const qps = (name: string) => asked(name, (it) => it.qps)
heading("Users and records", `${rounds} rounds of ${seconds} s`)
console.log(
  table(
    ["TSIG keys", "queries/s", "÷ 1 key", "CPU µs/query"],
    byKeys.map(({ name }) => [
      name,
      Math.round(qps(name)),
      times(qps(name), qps("1 key")),
      asked(name, (it) => it.cpu).toFixed(2)
    ])
  ),
  "\n"
)
await Promise.all(byKeys.map(({ child }) => stop(child)))

const few = `${count(names)} records`
const byRecords = [
  await start(few, 2, names, 1),
  await start(`${count(given.records)} records`, 3, given.records, 1)
]
for (const { http } of byRecords) await publishing({ port: http, token, seconds: 2 })
const published = await interleaved(byRecords, rounds, async ({ child, http }) => {
  const before = cpuOf(child)
  const loaded = await publishing({ port: http, token, seconds })
  return { ...loaded, cpu: ((cpuOf(child) - before) / loaded.done) * 1e6 }
})
const rate = (name: string) => published(name, (it) => it.perSecond)
console.log(
  table(
    ["records held", "publishes/s", `÷ ${few}`, "p99 ms", "CPU µs", "failed"],
    byRecords.map(({ name }) => [
      name,
      Math.round(rate(name)),
      times(rate(name), rate(few)),
      published(name, (it) => it.latency.p99).toFixed(2),
      published(name, (it) => it.cpu).toFixed(0),
      published(name, (it) => it.failed)
    ])
  )
)
await Promise.all(byRecords.map(({ child }) => stop(child)))
