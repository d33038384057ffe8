/**
 * Pipelined DNS over TCP: our node beside NSD, Knot and BIND, some connections with a hundred
 * queries outstanding among them.
 *
 *     node bench/tcp.ts [names=100000] [connections=8] [rounds=3] [seconds=3]
 */
import { dnsperf } from "./lib/Dnsperf.ts"
import { startServers } from "./lib/DnsServers.ts"
import { cpuOf, heading, pinSelf, stop, table } from "./lib/Machine.ts"
import { options } from "./lib/Options.ts"
import { bind, knot, nsd } from "./lib/Rivals.ts"
import { interleaved, times } from "./lib/Rounds.ts"

const given = options({ names: 100_000, connections: 8, rounds: 3, seconds: 3 })
const { connections } = given
pinSelf(1)
const { queryFile, servers, versions } = await startServers({
  names: given.names,
  mix: "mix",
  basePort: 15_310,
  rivals: [nsd, knot, bind]
})
const ask = (port: number, seconds: number) =>
  dnsperf({ port, queryFile, seconds, mode: "tcp", connections })

for (const { port } of servers) await ask(port, 1)
const of = await interleaved(servers, given.rounds, async ({ child, port }) => {
  const before = cpuOf(child)
  const answered = await ask(port, given.seconds)
  return { ...answered, cpu: ((cpuOf(child) - before) / answered.completed) * 1e6 }
})

const qps = (name: string) => of(name, (it) => it.qps)
heading(
  `TCP pipelined, ${given.names.toLocaleString("en")} names`,
  versions,
  `${connections} connections, 100 outstanding`,
  `${given.rounds} rounds of ${given.seconds} s`
)
console.log(
  table(
    ["server", "queries/s", "ours ÷ it", "CPU µs/query", "lost"],
    servers.map(({ name }) => [
      name,
      Math.round(qps(name)),
      times(qps("dnsmesh-node"), qps(name)),
      of(name, (it) => it.cpu).toFixed(2),
      of(name, (it) => it.lost)
    ])
  )
)
await Promise.all(servers.map(({ child }) => stop(child)))
