/**
 * UDP queries: our node beside NSD, Knot, BIND and bare datagram echoes, servers on one
 * processor, dnsperf on the other, rounds interleaved. Gate on CPU per query: it hardly
 * moves when a neighbour is busy, queries per second do.
 *
 *     node bench/udp.ts [names=100000] [rounds=3] [seconds=3] [hits|misses]
 */
import { dnsperf } from "./lib/Dnsperf.ts"
import { startServers } from "./lib/DnsServers.ts"
import { cpuOf, heading, pinSelf, residentMb, stop, table } from "./lib/Machine.ts"
import { options } from "./lib/Options.ts"
import { bind, echo, knot, nsd, sizedEcho } from "./lib/Rivals.ts"
import { interleaved } from "./lib/Rounds.ts"

const given = options({ names: 100_000, rounds: 3, seconds: 3 }, ["hits", "misses"])
const mix = given.has("hits") ? "hits" : given.has("misses") ? "misses" : "mix"
pinSelf(1)
const { queryFile, servers, versions } = await startServers({
  names: given.names,
  mix,
  basePort: 15_300,
  rivals: [echo, sizedEcho, nsd, knot, bind]
})

for (const { port } of servers) await dnsperf({ port, queryFile, seconds: 2 })
const of = await interleaved(servers, given.rounds, async ({ child, port }) => {
  const before = cpuOf(child)
  const answered = await dnsperf({ port, queryFile, seconds: given.seconds })
  return { ...answered, cpu: ((cpuOf(child) - before) / answered.completed) * 1e6 }
})

const cpu = (name: string) => of(name, (it) => it.cpu)
heading(
  `UDP, ${given.names.toLocaleString("en")} names, ${mix}`,
  versions,
  `${given.rounds} rounds of ${given.seconds} s`
)
console.log(
  table(
    ["server", "CPU µs/query", "÷ echo", "queries/s", "lost", "RSS MB"],
    servers.map(({ child, name }) => [
      name,
      cpu(name).toFixed(2),
      (cpu(name) / cpu(echo.name)).toFixed(2),
      Math.round(of(name, (it) => it.qps)),
      of(name, (it) => it.lost),
      residentMb(child)
    ])
  )
)
await Promise.all(servers.map(({ child }) => stop(child)))
