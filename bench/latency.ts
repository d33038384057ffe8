/**
 * Time to answer at a steady 1,000 and 20,000 queries per second over UDP: our node beside NSD,
 * BIND and a bare datagram echo.
 *
 *     node bench/latency.ts [names=100000] [rounds=3] [seconds=5]
 */
import { dnsperf } from "./lib/Dnsperf.ts"
import { startServers } from "./lib/DnsServers.ts"
import { heading, pinSelf, stop, table } from "./lib/Machine.ts"
import { options } from "./lib/Options.ts"
import { bind, echo, nsd } from "./lib/Rivals.ts"
import { interleaved, times } from "./lib/Rounds.ts"

const given = options({ names: 100_000, rounds: 3, seconds: 5 })
pinSelf(1)
const { queryFile, servers, versions } = await startServers({
  names: given.names,
  mix: "mix",
  basePort: 15_320,
  rivals: [nsd, bind, echo]
})

for (const { port } of servers) await dnsperf({ port, queryFile, seconds: 1 })
heading(
  `Latency over UDP, ${given.names.toLocaleString("en")} names`,
  versions,
  `median of ${given.rounds} rounds of ${given.seconds} s`
)
for (const rate of [1000, 20_000]) {
  const of = await interleaved(servers, given.rounds, ({ port }) =>
    dnsperf({ port, queryFile, rate, seconds: given.seconds })
  )
  const p50 = (name: string) => of(name, (it) => it.latency.p50)
  const p99 = (name: string) => of(name, (it) => it.latency.p99)
  console.log(
    table(
      [
        `${rate.toLocaleString("en")}/s`,
        "p50 µs",
        "÷ echo",
        "p99 µs",
        "÷ echo",
        "p99.9 µs",
        "lost"
      ],
      servers.map(({ name }) => [
        name,
        Math.round(p50(name)),
        times(p50(name), p50(echo.name)),
        Math.round(p99(name)),
        times(p99(name), p99(echo.name)),
        Math.round(of(name, (it) => it.latency.p999)),
        of(name, (it) => it.lost)
      ])
    ),
    "\n"
  )
}
await Promise.all(servers.map(({ child }) => stop(child)))
