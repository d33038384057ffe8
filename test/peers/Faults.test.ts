/**
 * Random schedules of writes, deletions, partitions, kills and slow or broken links, from fixed
 * seeds, beside peers of every bad kind. Whatever happened, in
 * the end every node holds what was published and not deleted, and nothing else.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Layer, Option } from "effect"
import { PeerClient, PeerUnreachable } from "../../src/peers/PeerClient.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"
import { behaviours, serve } from "./HostilePeer.ts"

const count = 3
const node = FastCheck.nat(count - 1)

const step = FastCheck.oneof(
  { weight: 8, arbitrary: FastCheck.record({ tag: FastCheck.constant("publish" as const), node }) },
  {
    weight: 4,
    arbitrary: FastCheck.record({
      tag: FastCheck.constant("withdraw" as const),
      node,
      pick: FastCheck.nat(1000)
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({ tag: FastCheck.constant("cut" as const), node, other: node })
  },
  { weight: 2, arbitrary: FastCheck.record({ tag: FastCheck.constant("heal" as const) }) },
  { weight: 1, arbitrary: FastCheck.record({ tag: FastCheck.constant("kill" as const), node }) },
  { weight: 2, arbitrary: FastCheck.record({ tag: FastCheck.constant("revive" as const), node }) },
  {
    weight: 4,
    arbitrary: FastCheck.record({
      tag: FastCheck.constant("wait" as const),
      millis: FastCheck.integer({ min: 5, max: 250 })
    })
  }
)

const schedule = (seed: number) =>
  FastCheck.sample(FastCheck.array(step, { minLength: 50, maxLength: 70, size: "max" }), {
    seed,
    numRuns: 1
  })[0]!

/** Links between nodes: cut ones fail, and every seventh message on the others is lost late. */
class Links {
  readonly cut = new Set<string>()
  healthy = false
  messages = 0

  client(from: number, portOf: (port: number) => number): Layer.Layer<PeerClient> {
    return Layer.effect(
      PeerClient,
      Effect.map(PeerClient, (real) => ({
        request: (request) =>
          Effect.suspend(() => {
            const to = portOf(request.url.port)
            const lost = new PeerUnreachable({ message: "cut", late: false })
            if (this.cut.has(`${from}-${to}`) || this.cut.has(`${to}-${from}`))
              return Effect.fail(lost)
            const breaks = !this.healthy && ++this.messages % 7 === 0
            // The peer did its part; only the answer never came.
            return breaks
              ? Effect.zipRight(Effect.ignore(real.request(request)), Effect.fail(lost))
              : real.request(request)
          })
      }))
    ).pipe(Layer.provide(PeerClient.layer))
  }
}

const run = (seed: number, skews: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const links = new Links()
    const stolen: Array<string | undefined> = []
    const thief = yield* serve((request, response) => {
      stolen.push(request.headers.authorization)
      response.end("{}")
    })
    let lies = 0
    const hostile = yield* Effect.forEach(behaviours(thief.port), (behaviour) =>
      serve((request, response) => {
        lies++
        behaviour(request, response)
      })
    )
    const ports = yield* Cluster.freePorts(count)
    const options = yield* Effect.forEach(ports, (port, at) =>
      Effect.map(Cluster.newDisk, (disk): Cluster.NodeOptions => ({
        disk,
        clockAhead: skews[at] ?? 0,
        client: links.client(at, (to) => ports.indexOf(to)),
        peers: Cluster.peersConfig({
          nodeId: Option.some(`node-${at}`),
          syncPort: Option.some(port),
          syncInterval: 0.2,
          reconcileInterval: 2,
          syncPeers: ports
            .filter((other) => other !== port)
            .concat(hostile.map(({ port }) => port))
            .map((other) => Cluster.url(`http://127.0.0.1:${other}`))
        })
      }))
    )
    const running: Array<Cluster.RunningNode | undefined> = yield* Effect.forEach(
      options,
      Cluster.start
    )
    const live = new Map<string, { readonly owner: string; readonly value: string }>()
    let serial = 0
    for (const each of schedule(seed)) {
      const target = "node" in each ? running[each.node] : undefined
      switch (each.tag) {
        case "publish": {
          if (target === undefined) break
          const owner = `name-${serial % 5}.example.org`
          const value = `value ${serial++}`
          yield* target.publish(owner, value)
          live.set(`${owner} ${valueHash(value)}`, { owner, value })
          break
        }
        case "withdraw": {
          const keys = [...live.keys()]
          const key = keys[each.pick % Math.max(1, keys.length)]
          const row = key === undefined ? undefined : live.get(key)
          if (target === undefined || key === undefined || row === undefined) break
          // Deleting what a node does not hold is no deletion (RFC 2136 §3.4.2.4).
          if (!(yield* target.values(row.owner)).includes(row.value)) break
          yield* target.withdraw(row.owner, row.value)
          live.delete(key)
          break
        }
        case "cut":
          if (each.node !== each.other) links.cut.add(`${each.node}-${each.other}`)
          break
        case "heal":
          links.cut.clear()
          break
        case "kill":
          if (target !== undefined) yield* target.stop
          running[each.node] = undefined
          break
        case "revive":
          running[each.node] ??= yield* Cluster.start(options[each.node]!)
          break
        case "wait":
          yield* Effect.sleep(each.millis)
      }
    }
    links.cut.clear()
    links.healthy = true
    const all = yield* Effect.forEach(running, (node, at) =>
      node === undefined ? Cluster.start(options[at]!) : Effect.succeed(node)
    )
    const expected = [...live.keys()].sort()
    yield* Cluster.eventually(
      Effect.map(
        Effect.forEach(all, ({ holdings }) => holdings),
        (held) => held.every((rows) => rows.join() === expected.join())
      ),
      12_000
    ).pipe(
      Effect.catchAllDefect(() =>
        Effect.forEach(all, (each, at) =>
          Effect.map(each.holdings, (rows) =>
            assert.deepStrictEqual(rows, expected, `node ${at} of seed ${seed}`)
          )
        )
      )
    )
    assert.isAbove(serial, 5)
    // And it stays so.
    yield* Effect.sleep("600 millis")
    for (const each of all) assert.deepStrictEqual(yield* each.holdings, expected)
    assert.isAtLeast(lies, hostile.length)
    assert.isEmpty(stolen)
  })

describe("faults in random order", () => {
  for (const seed of [11, 22, 33])
    it.scopedLive(`lose nothing and bring nothing back (seed ${seed})`, () => run(seed, [0, 0, 0]))
  it.scopedLive("nor with clocks ten minutes apart (seed 44)", () =>
    run(44, [0, 600_000, -600_000])
  )
})
