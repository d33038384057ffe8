/**
 * Replication between two nodes, each with a processor of its own: how long an empty node takes
 * to hold what its peer holds, and what a thousand new records cost on either side.
 *
 *     node bench/sync.ts [names=100000] [more=5000]
 */
import type { ChildProcess } from "node:child_process"
import { cpuOf, heading, residentMb, sleep, stop, table } from "./lib/Machine.ts"
import { meshHeld } from "./lib/MeshWorkload.ts"
import { databaseCopy, startNode, token } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { publishing } from "./lib/Publishing.ts"
import { metric } from "./lib/Scrape.ts"

const { more, names } = options({ names: 100_000, more: 5000 })
const [full, empty] = [15_380, 15_381]
const http = (dns: number) => dns + 5

const start = async (cpu: number, dns: number, records: number, peer: number | undefined) =>
  startNode(cpu, {
    db: await databaseCopy(records, "mesh"),
    dns,
    http: http(dns),
    env: {
      DMP_SYNC_PEERS: peer === undefined ? "" : `http://127.0.0.1:${http(peer)}`,
      DMP_SYNC_SELF_ENDPOINT: `http://127.0.0.1:${http(dns)}`,
      DMP_SYNC_PEER_TOKEN: "bench-sync-token-0123456789abcdef",
      DMP_SYNC_INTERVAL: "1"
    }
  })

const records = (dns: number) => metric(http(dns), "dmp_records")

/** Waits until the second node holds as much as the first; gives its highest memory meanwhile. */
const converged = async (node: ChildProcess): Promise<number> => {
  let most = 0
  for (let attempt = 0; attempt < 6000; attempt++) {
    most = Math.max(most, residentMb(node))
    if ((await records(empty)) >= (await records(full))) return most
    await sleep(100)
  }
  throw new Error(`not converged: ${await records(empty)} of ${await records(full)}`)
}

interface Used {
  readonly full: number
  readonly empty: number
}

/** Publishes `more` records on the first node; processor seconds of both until the second has them. */
const publishMore = async (a: ChildProcess, b: ChildProcess | undefined): Promise<Used> => {
  const used = { full: cpuOf(a), empty: b === undefined ? 0 : cpuOf(b) }
  const target = (await records(full)) + more
  while ((await records(full)) < target)
    await publishing({ port: http(full), token, seconds: 0.2, connections: 4, record: meshHeld })
  if (b !== undefined) await converged(b)
  return { full: cpuOf(a) - used.full, empty: (b === undefined ? 0 : cpuOf(b)) - used.empty }
}

/** The same, for a thousand of the records that were in fact added. */
const perThousand = async (a: ChildProcess, b: ChildProcess | undefined): Promise<Used> => {
  const before = await records(full)
  const used = await publishMore(a, b)
  const thousands = ((await records(full)) - before) / 1000
  return { full: used.full / thousands, empty: used.empty / thousands }
}

const a = await start(0, full, names, empty)
const lone = await perThousand(a, undefined)
const held = await records(full)
const began = performance.now()
const b = await start(1, empty, 0, full)
const ready = performance.now()
const before = { full: cpuOf(a), empty: cpuOf(b) }
const idle = residentMb(b)
const most = await converged(b)
const seconds = (performance.now() - began) / 1000
const catchUp = { full: cpuOf(a) - before.full, empty: cpuOf(b) - before.empty }
const steady = await perThousand(a, b)

heading(`Replication of ${held.toLocaleString("en")} records to an empty node`)
const ms = (value: number) => (value * 1000).toFixed(0)
console.log(
  table(
    ["", "measured"],
    [
      [
        "from start to converged",
        `${seconds.toFixed(1)} s (start ${((ready - began) / 1000).toFixed(1)} s)`
      ],
      ["records per second", Math.round(held / (seconds - (ready - began) / 1000))],
      ["CPU per 1,000 records, catching up", `${ms((catchUp.empty / held) * 1000)} ms`],
      ["CPU per 1,000 records, serving it", `${ms((catchUp.full / held) * 1000)} ms`],
      ["memory of the new node, at first and at most", `${idle} → ${most} MB`],
      ["CPU per 1,000 publishes without the peer", `${ms(lone.full)} ms`],
      ["CPU per 1,000 publishes with it", `${ms(steady.full)} ms`],
      ["CPU per 1,000 of them on the peer", `${ms(steady.empty)} ms`]
    ]
  )
)
await Promise.all([stop(a), stop(b)])
