/**
 * What our node's other work does to answers: time to answer 1,000 queries per second alone,
 * while durable publishes saturate it, while the zone is transferred again and again, and while
 * expired records are swept; each on the disk as it is and with 4 ms more for every fsync.
 *
 *     node bench/stall.ts [names=100000] [expiring=900000] [seconds=10] [both]
 *
 * `both` lets the node use the generators' processor too, as on a machine with two: what is left
 * of a stall then is the event loop's, not the other thread's on the same processor.
 */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { dnsperf } from "./lib/Dnsperf.ts"
import { heading, pinSelf, sleep, stop, table } from "./lib/Machine.ts"
import { databaseCopy, scratch, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { publishing } from "./lib/Publishing.ts"
import { times } from "./lib/Rounds.ts"
import { metric } from "./lib/Scrape.ts"
import { transferring } from "./lib/Transferring.ts"
import { queries, writeQueries } from "./lib/Workload.ts"

const given = options({ names: 100_000, expiring: 900_000, seconds: 10 }, ["both"])
const cpus = given.has("both") ? "0,1" : 0
const { expiring, names, seconds } = given
/** Seconds of publishes before anything is measured: a node compiles what it runs most. */
const warmUp = 3
const [dns, http] = [15_340, 15_390]
pinSelf(1)

const queryFile = join(scratch(), "queries")
writeQueries(queryFile, queries(names, 200_000, "hits"))
const ask = () => dnsperf({ port: dns, queryFile, rate: 1000, seconds, connections: 1 })
const start = async (records: number, slow: boolean) =>
  startNode(cpus, {
    db: await databaseCopy(records),
    dns,
    http,
    slow,
    env: { DMP_XFR_ALLOW: "127.0.0.0/8" }
  })

interface Case {
  readonly answered: Awaited<ReturnType<typeof ask>>
  /** What went on meanwhile. */
  readonly beside: string
}

const whilePublishing = async (): Promise<Case> => {
  const publishes = publishing({ port: http, token, seconds: seconds + 1 })
  await sleep(500)
  const answered = await ask()
  return { answered, beside: `${Math.round((await publishes).perSecond)} publishes/s` }
}

const whileTransferring = async (): Promise<Case> => {
  const done = new AbortController()
  const transfers = transferring(dns, done.signal)
  await sleep(200)
  const answered = await ask()
  done.abort()
  const { records, seconds, transfers: count } = await transfers
  return { answered, beside: `${count} transfers, ${Math.round(records / seconds)} records/s` }
}

/** All records but `names` end at once, while the node runs. */
const whileSweeping = async (slow: boolean): Promise<Case> => {
  const db = await databaseCopy(names + expiring)
  const database = new DatabaseSync(db)
  const expiresAt = Math.floor((performance.timeOrigin + performance.now()) / 1000) + 60
  database.exec(`UPDATE records SET expires_at = ${expiresAt} WHERE rowid > ${names}`)
  database.close()
  const node = await startNode(cpus, { db, dns, http, slow, env: { DMP_CLEANUP_INTERVAL: "0.2" } })
  await sleep(Math.max(0, (expiresAt + 1) * 1000 - performance.timeOrigin - performance.now()))
  const before = await metric(http, "dmp_store_expired_rows")
  const answered = await ask()
  const after = await metric(http, "dmp_store_expired_rows")
  await stop(node)
  return { answered, beside: `${Math.max(0, before - after)} of ${before} rows swept` }
}

heading(
  `Answers beside other work, ${names.toLocaleString("en")} names`,
  `1,000 queries/s for ${seconds} s`,
  given.has("both") ? "the node on both processors" : "the node on one processor"
)
for (const slow of [false, true]) {
  const node = await start(names, slow)
  await dnsperf({ port: dns, queryFile, seconds: 1 })
  await publishing({ port: http, token, seconds: warmUp })
  const cases = new Map<string, Case>()
  cases.set("alone", { answered: await ask(), beside: "" })
  cases.set("publishes, 64 connections", await whilePublishing())
  cases.set("zone transfers", await whileTransferring())
  await stop(node)
  cases.set("sweep", await whileSweeping(slow))
  const alone = cases.get("alone")?.answered.latency.p99 ?? NaN
  console.log(
    table(
      [
        slow ? "4 ms per fsync" : "disk as it is",
        "p50 µs",
        "p99 µs",
        "÷ alone",
        "p99.9 µs",
        "max ms",
        "lost",
        "meanwhile"
      ],
      [...cases].map(([name, { answered, beside }]) => [
        name,
        Math.round(answered.latency.p50),
        Math.round(answered.latency.p99),
        times(answered.latency.p99, alone),
        Math.round(answered.latency.p999),
        (answered.latency.max / 1000).toFixed(1),
        answered.lost,
        beside
      ])
    ),
    "\n"
  )
}
