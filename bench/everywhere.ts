/**
 * Three nodes of a cluster: how long after the acknowledgement of a publish on one of them, each
 * in its turn, both others answer it over DNS. Rounds of pulling lie a minute apart, so it is the
 * nodes' telling each other that is measured.
 *
 *     node bench/everywhere.ts [names=100000] [publishes=300] [rate=50]
 */
import { createSocket } from "node:dgram"
import { heading, pinSelf, sleep, stop, table } from "./lib/Machine.ts"
import { meshHeld } from "./lib/MeshWorkload.ts"
import { databaseCopy, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { percentiles } from "./lib/Percentiles.ts"
import { query } from "./lib/Query.ts"

const { names, publishes, rate } = options({ names: 100_000, publishes: 300, rate: 50 })
const ports = [15_400, 15_401, 15_402]
const http = (dns: number) => dns + 5
/** Milliseconds between two looks at a node, and until a publish counts as lost. */
const look = 5
const patience = 30_000
pinSelf(1)

const url = (dns: number) => `http://127.0.0.1:${http(dns)}`
const databases: Array<readonly [dns: number, db: string]> = []
for (const dns of ports) databases.push([dns, await databaseCopy(names, "mesh")])
const nodes = await Promise.all(
  databases.map(([dns, db]) =>
    startNode("0,1", {
      db,
      dns,
      http: http(dns),
      env: {
        DMP_SYNC_PEERS: ports
          .filter((other) => other !== dns)
          .map(url)
          .join(","),
        DMP_SYNC_SELF_ENDPOINT: url(dns),
        DMP_SYNC_PEER_TOKEN: "bench-sync-token-0123456789abcdef",
        DMP_SYNC_INTERVAL: "60"
      }
    })
  )
)

const answers = (port: number, owner: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4")
    const end = (found: boolean) => {
      clearTimeout(timer)
      socket.close()
      resolve(found)
    }
    const timer = setTimeout(() => end(false), 1000)
    socket.on("message", (reply) => end(reply.readUInt16BE(6) > 0))
    socket.send(query(owner), port, "127.0.0.1")
  })

/** Milliseconds until all of `others` answer; infinite when one never does. */
const lagOf = async (owner: string, others: ReadonlyArray<number>): Promise<number> => {
  const began = performance.now()
  for (const port of others)
    while (!(await answers(port, owner))) {
      if (performance.now() - began > patience) return Infinity
      await sleep(look)
    }
  return performance.now() - began
}

const publish = async (i: number): Promise<number> => {
  // A chunk, since a manifest is too long for an answer without EDNS.
  const { owner, value } = meshHeld(i * 10, `everywhere ${performance.timeOrigin}`)
  const at = ports[i % ports.length] ?? 0
  const response = await fetch(`${url(at)}/v1/records/${owner}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ value, ttl: 3600 })
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${owner}: ${response.status}`)
  return lagOf(
    owner,
    ports.filter((other) => other !== at)
  )
}

// Peers have met, and code is compiled, before anything counts.
await sleep(3000)
for (let i = 0; i < 30; i++) await publish(publishes + i)
const began = performance.now()
const lags = await Promise.all(
  Array.from({ length: publishes }, async (_, i) => {
    await sleep(Math.max(0, began + (i * 1000) / rate - performance.now()))
    return publish(i)
  })
)
await Promise.all(nodes.map(stop))

const { max, p50, p99 } = percentiles(lags.filter(Number.isFinite))
heading(
  `Publish anywhere, answered everywhere: three nodes of ${names.toLocaleString("en")} records`,
  `${rate} publishes/s in turn`
)
console.log(
  table(
    ["publishes", "lag p50 ms", "p99 ms", "max ms", "never"],
    [
      [
        publishes,
        p50.toFixed(0),
        p99.toFixed(0),
        max.toFixed(0),
        lags.filter((lag) => !Number.isFinite(lag)).length
      ]
    ]
  )
)
