import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as Cluster from "./ClusterNode.ts"

/** Three nodes on addresses of their own, each knowing all others. */
const cluster = Effect.gen(function* () {
  const hosts = ["127.0.0.11", "127.0.0.12", "127.0.0.13"]
  const ports = (yield* Effect.forEach(hosts, (host) => Cluster.freePorts(1, host))).flat()
  const address = (of: number) => Cluster.url(`http://${hosts[of]}:${ports[of]}`)
  return yield* Effect.forEach(hosts, (host, at) =>
    Effect.map(Cluster.newDisk, (disk): Cluster.NodeOptions => ({
      disk,
      peers: Cluster.peersConfig({
        nodeId: Option.some(`node-${at}`),
        selfEndpoint: Option.some(address(at)),
        syncHosts: [host],
        syncPort: Option.some(ports[at] ?? 0),
        syncPeers: [0, 1, 2].filter((of) => of !== at).map(address)
      })
    }))
  )
})

describe("a cluster of three nodes over HTTP", () => {
  it.scopedLive("has what is published anywhere everywhere within two seconds", () =>
    Effect.gen(function* () {
      const options = yield* cluster
      const nodes = yield* Effect.forEach(options, Cluster.start, { concurrency: 3 })
      yield* Effect.sleep("1200 millis")
      for (const [at, node] of nodes.entries()) {
        yield* node.publish(`from-${at}.example.org`, `value ${at}`)
        const took = yield* Cluster.eventually(
          Effect.map(
            Effect.forEach(nodes, (other) => other.values(`from-${at}.example.org`)),
            (all) => all.every((values) => values.length === 1)
          ),
          2000
        )
        assert.isBelow(took, 2000)
      }
    })
  )

  it.scopedLive("lets a node that was away catch up by itself, and ends identical", () =>
    Effect.gen(function* () {
      const options = yield* cluster
      const [a, b, c] = yield* Effect.forEach(options, Cluster.start)
      yield* c!.publish("before.example.org", "kept")
      yield* Cluster.eventually(
        Effect.map(a!.values("before.example.org"), (values) => values.length === 1)
      )
      yield* c!.stop
      yield* Effect.forEach(
        Array.from({ length: 3000 }, (_, at) => at),
        (at) =>
          (at % 2 === 0 ? a! : b!).publish(
            `${"long-label-".repeat(5)}${at % 700}.sub.example.org`,
            `value ${at}`
          ),
        { concurrency: 256, discard: true }
      )
      const back = yield* Cluster.start(options[2]!)
      yield* Cluster.eventually(
        Effect.gen(function* () {
          const all = yield* Effect.forEach([a!, b!, back], ({ holdings }) => holdings)
          return all.every((rows) => rows.length === 3001 && rows.join() === all[0]!.join())
        }),
        20_000
      )
    })
  )

  it.scopedLive("keeps what was deleted deleted, also on nodes that were away", () =>
    Effect.gen(function* () {
      const options = yield* cluster
      const [a, b, c] = yield* Effect.forEach(options, Cluster.start)
      yield* a!.publish("gone.example.org", "a value")
      yield* Cluster.eventually(
        Effect.map(
          Effect.forEach([b!, c!], (node) => node.values("gone.example.org")),
          (all) => all.every((values) => values.length === 1)
        )
      )
      yield* c!.stop
      yield* Effect.sleep("1100 millis")
      yield* b!.withdraw("gone.example.org", "a value")
      yield* Cluster.eventually(
        Effect.map(a!.values("gone.example.org"), (values) => values.length === 0)
      )
      const back = yield* Cluster.start(options[2]!)
      yield* Cluster.eventually(
        Effect.map(back.values("gone.example.org"), (values) => values.length === 0)
      )
      yield* Effect.sleep("1500 millis")
      for (const node of [a!, b!, back])
        assert.deepStrictEqual(yield* node.values("gone.example.org"), [])
      // Published again, it is alive everywhere.
      yield* back.publish("gone.example.org", "a value")
      yield* Cluster.eventually(
        Effect.map(
          Effect.forEach([a!, b!], (node) => node.values("gone.example.org")),
          (all) => all.every((values) => values.length === 1)
        )
      )
    })
  )

  it.scopedLive("converges although clocks differ by ten minutes either way", () =>
    Effect.gen(function* () {
      const options = yield* cluster
      const [a, b, c] = yield* Effect.forEach(options, (each, at) =>
        Cluster.start({ ...each, clockAhead: [0, 600_000, -600_000][at]! })
      )
      const nodes = [a!, b!, c!]
      for (const [at, node] of nodes.entries())
        yield* node.publish(`skew-${at}.example.org`, `value ${at}`)
      yield* Cluster.eventually(
        Effect.map(
          Effect.forEach(nodes, ({ holdings }) => holdings),
          (all) => all.every((rows) => rows.length === 3)
        )
      )
      yield* Effect.sleep("1100 millis")
      yield* b!.withdraw("skew-2.example.org", "value 2")
      yield* Cluster.eventually(
        Effect.map(
          Effect.forEach(nodes, ({ holdings }) => holdings),
          (all) => all.every((rows) => rows.length === 2)
        )
      )
    })
  )
})
