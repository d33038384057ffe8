/**
 * Durable publishes over HTTP: our node beside bare `node:http` + better-sqlite3 with one commit
 * for each event-loop turn and with one for each request; the operator's token beside a user's.
 *
 *     node bench/publish.ts [names=10000] [connections=64] [rounds=3] [seconds=3] [slow]
 *
 * `names` is how many records the database holds before; `slow` makes every fsync take 4 ms.
 */
import { join } from "node:path"
import type { ChildProcess } from "node:child_process"
import { cpuOf, heading, pinned, pinSelf, stop, table } from "./lib/Machine.ts"
import { command, databaseCopy, ready, spawnNode, token as operatorToken } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { publishing } from "./lib/Publishing.ts"
import { interleaved, times } from "./lib/Rounds.ts"
import { zone } from "./lib/Workload.ts"

const given = options({ names: 10_000, connections: 64, rounds: 3, seconds: 3 }, ["slow"])
const slow = given.has("slow")
const bareServer = join(import.meta.dirname, "lib/bareServer.ts")
const basePort = 15_400
/** Seconds each server has before it is measured. */
const warmUp = 3
pinSelf(1)

const bare = async (mode: "turn" | "request", port: number): Promise<ChildProcess> =>
  pinned(0, process.execPath, [bareServer, mode, String(port), await databaseCopy(given.names)], {
    slow
  })

// The node makes the database that the command then puts a token in.
const nodeDatabase = await databaseCopy(given.names)
const node = spawnNode(0, {
  db: nodeDatabase,
  dns: basePort + 50,
  http: basePort,
  slow,
  env: { DMP_AUTH_MODE: "multi-tenant" }
})
await ready(basePort)
const issued = command(
  nodeDatabase,
  ...["token", "issue", `bench@${zone}`, "--rate", "0", "--burst", "0"]
)
if (typeof issued !== "object" || issued === null || !("token" in issued))
  throw new Error("no token was issued")
const userToken = String(issued.token)

const servers = [
  { name: "dnsmesh-node, operator", port: basePort, child: node, token: operatorToken },
  { name: "dnsmesh-node, user", port: basePort, child: node, token: userToken },
  {
    name: "bare, commit per turn",
    port: basePort + 1,
    child: await bare("turn", basePort + 1),
    token: ""
  },
  {
    name: "bare, commit per request",
    port: basePort + 2,
    child: await bare("request", basePort + 2),
    token: ""
  }
]
for (const { port, token } of servers) {
  await ready(port)
  await publishing({ port, token, seconds: warmUp })
}
const of = await interleaved(servers, given.rounds, async ({ child, port, token }) => {
  const before = cpuOf(child)
  const loaded = await publishing({ ...given, port, token })
  return { ...loaded, cpu: ((cpuOf(child) - before) / loaded.done) * 1e6 }
})

heading(
  `Durable HTTP publishes, ${given.names.toLocaleString("en")} records${slow ? ", 4 ms per fsync" : ""}`,
  `${given.connections} keep-alive connections`,
  `${given.rounds} rounds of ${given.seconds} s`
)
const rate = (name: string) => of(name, (it) => it.perSecond)
console.log(
  table(
    [
      "server",
      "publishes/s",
      "÷ per turn",
      "÷ per request",
      "p50 ms",
      "p99 ms",
      "CPU µs",
      "failed"
    ],
    servers.map(({ name }) => [
      name,
      Math.round(rate(name)),
      times(rate(name), rate("bare, commit per turn")),
      times(rate(name), rate("bare, commit per request")),
      of(name, (it) => it.latency.p50).toFixed(2),
      of(name, (it) => it.latency.p99).toFixed(2),
      slow ? "–" : of(name, (it) => it.cpu).toFixed(0),
      of(name, (it) => it.failed)
    ])
  )
)
const cost = (name: string) => (slow ? 1 / rate(name) : of(name, (it) => it.cpu))
console.log(
  `\nA publish with a user's token costs ${times(cost("dnsmesh-node, user"), cost("dnsmesh-node, operator"))} one with the operator's.`
)
await Promise.all(servers.slice(1).map(({ child }) => stop(child)))
