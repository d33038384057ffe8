/** Peers that serve different zones: each is told of its own, and neither reads on in vain. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Option } from "effect"
import * as DigestQuery from "../../src/peers/DigestQuery.ts"
import { PeerStates } from "../../src/peers/PeerState.ts"
import type { PeersConfigShape } from "../../src/peers/PeersConfig.ts"
import * as SyncApi from "../../src/peers/SyncApi.ts"
import * as Name from "../../src/wire/Name.ts"
import * as Cluster from "./ClusterNode.ts"
import { entry, reply, serve } from "./HostilePeer.ts"

const [ours, theirs] = [Name.unsafeMake("example.org"), Name.unsafeMake("other.test")]

const started = (
  zones: ReadonlyArray<Name.Name>,
  changes: Partial<PeersConfigShape> = {},
  disk?: Cluster.Disk
) =>
  Effect.gen(function* () {
    return yield* Cluster.start({
      disk: disk ?? (yield* Cluster.newDisk),
      zone: { zones, servedZone: Option.fromNullable(zones[0]) },
      peers: Cluster.peersConfig({ syncInterval: 0.2, ...changes })
    })
  })

interface Page {
  readonly records: ReadonlyArray<{ readonly name: string }>
  readonly next_cursor: string
  readonly buckets: ReadonlyArray<string>
}

const get = (node: Cluster.RunningNode, path: string) =>
  Effect.promise(() =>
    fetch(`http://127.0.0.1:${node.port}/v1/sync/${path}`, {
      headers: { authorization: `Bearer ${Cluster.token}` }
    }).then(async (response) => ({
      status: response.status,
      body: (await response.json()) as Page
    }))
  )

const stateOf = (node: Cluster.RunningNode) => Context.get(node.context, PeerStates).all()[0]

describe("a digest of some zones", () => {
  it.scopedLive("shows those alone, and goes on after the rest", () =>
    Effect.gen(function* () {
      const node = yield* started([ours, theirs])
      for (const name of ["a.example.org", "notexample.org.other.test", "z.other.test"])
        yield* node.publish(name, "value")
      const whole = yield* get(node, "digest?ext=1")
      const some = yield* get(node, "digest?ext=1&zones=example.org")
      assert.deepStrictEqual(
        some.body.records.map(({ name }) => name),
        ["a.example.org"]
      )
      assert.strictEqual(some.body.next_cursor, whole.body.next_cursor)
      const none = yield* get(node, "digest?ext=1&zones=net,EXAMPLE.net.")
      assert.isEmpty(none.body.records)
      assert.strictEqual(none.body.next_cursor, whole.body.next_cursor)
      // Who does not speak our extensions gets what it always got.
      assert.lengthOf((yield* get(node, "digest?zones=example.org")).body.records, 3)

      const prints = yield* Effect.forEach(
        ["", "?zones=example.org", "?zones=other.test"],
        (query) => Effect.map(get(node, `fingerprint${query}`), ({ body }) => body.buckets.join())
      )
      assert.lengthOf(new Set(prints), 3)
    })
  )

  it.scopedLive("is refused when it names what are no zones, or hundreds", () =>
    Effect.gen(function* () {
      const node = yield* started([ours])
      const many = (count: number) => Array.from({ length: count }, (_, at) => `z${at}.org`).join()
      for (const [zones, status] of [
        ["", 400],
        ["a..b", 400],
        ["a.org,", 400],
        ["x".repeat(64), 400],
        [many(SyncApi.maxZones), 200],
        [many(SyncApi.maxZones + 1), 400],
        [many(700), 400]
      ] as const)
        for (const path of ["digest?ext=1&", "fingerprint?"])
          assert.strictEqual((yield* get(node, `${path}zones=${zones}`)).status, status, zones)
      const parsed = DigestQuery.parse(new URLSearchParams("ext=1&zones=B.org.,a.org"))
      assert.deepStrictEqual(Either.getOrThrow(parsed).zones?.map(String), ["b.org", "a.org"])
    })
  )
})

describe("a node that serves fewer zones than its peer", () => {
  it.scopedLive("gets its own and reads none of the others twice", () =>
    Effect.gen(function* () {
      const both = yield* started([ours, theirs])
      const publish = (from: number) =>
        Effect.forEach(
          Array.from({ length: 1200 }, (_, at) => from + at),
          (at) =>
            both.publish(`n${at}.${at % 100 === 0 ? "example.org" : "other.test"}`, `value ${at}`),
          { concurrency: 64, discard: true }
        )
      yield* publish(0)
      // Those of the other zone stand at the end, where a watermark would wait before them.
      yield* both.publish("last.other.test", "last")
      const disk = yield* Cluster.newDisk
      const changes = {
        reconcileInterval: 1,
        syncPeers: [Cluster.url(`http://127.0.0.1:${both.port}`)]
      }
      const node = yield* started([ours], changes, disk)
      yield* Cluster.eventually(Effect.map(node.holdings, (rows) => rows.length === 12))
      const end = Effect.map(get(both, "digest?ext=1&limit=10000"), ({ body }) => body.next_cursor)
      const cursor = Effect.sync(() => SyncApi.formatCursor(stateOf(node)?.cursor ?? SyncApi.start))
      yield* Cluster.eventually(Effect.zipWith(cursor, end, (a, b) => a === b))
      // Both hold the same of what they share: nothing is read again, however often they compare.
      yield* Effect.sleep("2500 millis")
      assert.strictEqual(yield* cursor, yield* end)
      assert.strictEqual(stateOf(node)?.quarantine.size, 0)
      yield* publish(2000)
      yield* Cluster.eventually(Effect.map(node.holdings, (rows) => rows.length === 24))
    })
  )

  it.scopedLive("goes no further than time itself on a peer's word", () =>
    Effect.gen(function* () {
      const far = `${9e14}:z:`
      const asked: Array<string> = []
      const { port } = yield* serve((request, response) => {
        asked.push(new URL(request.url ?? "", "http://peer").searchParams.get("cursor") ?? "")
        reply({
          records: [],
          has_more: false,
          next_cursor: far,
          now: Date.now(),
          extensions: ["zones"]
        })(request, response)
      })
      const node = yield* started([ours], {
        syncPeers: [Cluster.url(`http://127.0.0.1:${port}`)]
      })
      yield* Cluster.eventually(Effect.sync(() => asked.length > 4))
      assert.notInclude(asked, far)
      assert.deepStrictEqual(stateOf(node)?.cursor, SyncApi.start)
    })
  )

  it.scopedLive("takes nothing of another zone from a peer that shows it all the same", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((request, response) =>
        reply(
          request.url?.startsWith("/v1/sync/digest")
            ? {
                records: [entry("x.other.test", "x", 1), entry("y.example.org", "y", 2)],
                has_more: false,
                next_cursor: "",
                extensions: ["zones"]
              }
            : {
                records: [
                  { name: "x.other.test", value: "x", ttl: 60 },
                  { name: "y.example.org", value: "y", ttl: 60 }
                ]
              }
        )(request, response)
      )
      const node = yield* started([ours], {
        syncPeers: [Cluster.url(`http://127.0.0.1:${port}`)]
      })
      yield* Cluster.eventually(
        Effect.map(node.values("y.example.org"), (values) => values.length === 1)
      )
      assert.isEmpty(yield* node.values("x.other.test"))
    })
  )
})
