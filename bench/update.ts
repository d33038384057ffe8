/**
 * Signed, durable UPDATEs of one TXT record over UDP with 1, 20 and 100 unanswered: our node
 * beside BIND, Knot and PowerDNS, one key and one presigned driver for all.
 *
 *     node bench/update.ts [names=10000] [rounds=3] [seconds=3] [slow]
 *
 * `slow` makes every fsync of every server take 4 ms.
 */
import { join } from "node:path"
import { installedOf, versionsOf } from "./lib/DnsServers.ts"
import { addTsigKeys } from "./lib/Keys.ts"
import { cpuOf, heading, pinSelf, running, sleep, stop, table } from "./lib/Machine.ts"
import { databaseCopy, scratch, startNode } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { interleaved, times } from "./lib/Rounds.ts"
import { bind, knot, powerdns } from "./lib/UpdateRivals.ts"
import { presigned, updating } from "./lib/Updating.ts"
import { writeZone } from "./lib/Workload.ts"

const given = options({ names: 10_000, rounds: 3, seconds: 3 }, ["slow"])
const slow = given.has("slow")
const basePort = 15_330
/** No server here takes more. */
const mostPerSecond = 30_000
/** Seconds each server has before it is measured, with many unanswered and then with one. */
const warmUp = 3
pinSelf(1)

const dir = scratch()
const zoneFile = join(dir, "zone")
writeZone(zoneFile, given.names)
const db = await databaseCopy(given.names)
await addTsigKeys(db, 1)
const rivals = installedOf([bind, knot, powerdns])
const node = await startNode(0, {
  db,
  dns: basePort,
  http: basePort + 50,
  slow,
  env: {
    DMP_DNS_UPDATE_ENABLED: "1",
    DMP_TSIG_RATE: "0",
    DMP_TSIG_BURST: "0",
    DMP_DNS_MAX_CONCURRENCY: "1000"
  }
})
const started = [
  { name: "dnsmesh-node", port: basePort, child: node },
  ...rivals.map((rival, i) => {
    const port = basePort + 1 + i
    return { name: rival.name, port, child: rival.start(0, port, dir, zoneFile, slow) }
  })
]
await sleep(3000)
const servers = running(started)

heading(
  `Signed UPDATEs, ${given.names.toLocaleString("en")} records${slow ? ", 4 ms per fsync" : ""}`,
  versionsOf(rivals),
  `median of ${given.rounds} rounds of ${given.seconds} s`
)
for (const { port } of servers)
  for (const outstanding of [100, 1])
    await updating({
      port,
      messages: presigned(mostPerSecond * warmUp),
      outstanding,
      seconds: warmUp
    })
for (const outstanding of [1, 20, 100]) {
  const of = await interleaved(servers, given.rounds, async ({ child, port }) => {
    const messages = presigned(mostPerSecond * given.seconds)
    const before = cpuOf(child)
    const updated = await updating({ port, messages, outstanding, seconds: given.seconds })
    return { ...updated, cpu: ((cpuOf(child) - before) / updated.done) * 1e6 }
  })
  const rate = (name: string) => of(name, (it) => it.perSecond)
  console.log(
    table(
      [
        `${outstanding} outstanding`,
        "updates/s",
        "ours ÷ it",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "failed"
      ],
      servers.map(({ name }) => [
        name,
        Math.round(rate(name)),
        times(rate("dnsmesh-node"), rate(name)),
        of(name, (it) => it.latency.p50).toFixed(2),
        of(name, (it) => it.latency.p99).toFixed(2),
        slow ? "–" : of(name, (it) => it.cpu).toFixed(0),
        of(name, (it) => it.failed)
      ])
    ),
    "\n"
  )
}
await Promise.all(servers.map(({ child }) => stop(child)))
