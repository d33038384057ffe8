/**
 * Stock secondaries of our node: how long each takes for the whole zone, signed, and what whole
 * transfers do to the node's answers; then how far behind each is while records come, go and end.
 *
 *     node bench/secondaries.ts [names=100000] [rate=50] [seconds=20]
 */
import type { ChildProcess } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Either } from "effect"
import { makeKey } from "../src/wire/Tsig.ts"
import { Follower } from "../test/fixtures/Followers.ts"
import { keyName, secondaries, secret, transferKey } from "../test/fixtures/Secondaries.ts"
import { ZoneWriter } from "../test/fixtures/ZoneWriter.ts"
import { dnsperf } from "./lib/Dnsperf.ts"
import {
  heading,
  isInstalled,
  pinned,
  pinSelf,
  sleep,
  stop,
  table,
  versionOf
} from "./lib/Machine.ts"
import { databaseCopy, scratch, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { percentiles } from "./lib/Percentiles.ts"
import { times } from "./lib/Rounds.ts"
import { transferring } from "./lib/Transferring.ts"
import { queries, writeQueries, zone } from "./lib/Workload.ts"

const given = options({ names: 100_000, rate: 50, seconds: 20 })
const [dns, http] = [15_440, 15_490]
const key = Either.getOrThrow(makeKey(keyName, "hmac-sha256", Buffer.from(secret, "base64")))
pinSelf(1)

const dir = scratch()
const queryFile = join(dir, "queries")
writeQueries(queryFile, queries(given.names, 200_000, "hits"))
const stock = secondaries.filter(({ name, program }) => {
  if (isInstalled(program)) return true
  console.error(`SKIPPED: ${name}: ${program} is not installed`)
  return false
})
const portOf = (i: number) => dns + 1 + i
const node = await startNode(0, {
  db: await databaseCopy(given.names),
  dns,
  http,
  env: {
    DMP_XFR_TSIG: transferKey,
    DMP_XFR_NOTIFY: stock.map((_, i) => `127.0.0.1:${portOf(i)}`).join(","),
    DMP_LOG_LEVEL: "ERROR"
  }
})

heading(
  `Secondaries of ${given.names.toLocaleString("en")} names`,
  stock.map(({ program, versionFlag }) => versionOf(program, versionFlag)).join("; ")
)
const ask = () =>
  dnsperf({ port: dns, queryFile, rate: 1000, seconds: given.seconds / 2, connections: 1 })
await dnsperf({ port: dns, queryFile, seconds: 1 })
const alone = await ask()
const done = new AbortController()
const transfers = transferring(dns, done.signal, key)
await sleep(200)
const beside = await ask()
done.abort()
const moved = await transfers
console.log(
  table(
    ["1,000 queries/s", "p50 µs", "p99 µs", "÷ alone", "max ms", "lost", "s for a whole transfer"],
    [
      ["alone", alone, "–"] as const,
      ["signed whole transfers", beside, (moved.seconds / moved.transfers).toFixed(2)] as const
    ].map(([name, { latency, lost }, each]) => [
      name,
      Math.round(latency.p50),
      Math.round(latency.p99),
      times(latency.p99, alone.latency.p99),
      (latency.max / 1000).toFixed(1),
      lost,
      each
    ])
  ),
  "\n"
)

const primary = new Follower("node", dns, zone)
const loops = [primary.run()]
const following: Array<{ follower: Follower; child: ChildProcess; whole: number }> = []
for (const [i, secondary] of stock.entries()) {
  const own = join(dir, secondary.name)
  mkdirSync(own)
  const follower = new Follower(secondary.name, portOf(i), zone)
  loops.push(follower.run())
  const args = secondary.prepare({ own: portOf(i), primary: dns, dir: own, zone })
  const began = performance.now()
  const child = pinned(1, secondary.program, args, { quiet: true })
  while (primary.serial === undefined || follower.serial !== primary.serial) await sleep(10)
  following.push({ follower, child, whole: (performance.now() - began) / 1000 })
}

const writer = new ZoneWriter({
  http,
  token,
  zone,
  rate: given.rate,
  random: Math.random,
  expect: (change) => following.forEach(({ follower }) => follower.expect(change)),
  forget: (change) => following.forEach(({ follower }) => follower.forget(change))
})
const writing = writer.run()
await sleep(given.seconds * 1000)
writer.stop()
await writing
await sleep(3000)
for (const loop of [primary, ...following.map(({ follower }) => follower)]) loop.stop()
await Promise.all(loops)
for (const { child } of following) await stop(child)
await stop(node)

const seconds = (ms: number) => (ms / 1000).toFixed(2)
console.log(
  table(
    ["secondary", "s from start to whole zone", "changes", "lag p50 s", "p99 s", "max s", "never"],
    following.map(({ follower, whole }) => {
      const { count, max, p50, p99 } = percentiles(follower.steady)
      return [
        follower.name,
        whole.toFixed(2),
        count,
        seconds(p50),
        seconds(p99),
        seconds(max),
        follower.behind
      ]
    })
  ),
  `\n\n${given.rate} writes/s; the lag is from the acknowledgement of a write, or the end of a life, to the secondary's answer.\n`
)
process.exit(0)
