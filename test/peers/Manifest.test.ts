import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Metric, MetricState, Option } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import { ManifestInstall } from "../../src/peers/ManifestInstall.ts"
import { PeerList } from "../../src/peers/PeerList.ts"
import { PeerStates } from "../../src/peers/PeerState.ts"
import type { PeersConfigShape } from "../../src/peers/PeersConfig.ts"
import { Reload } from "../../src/peers/Reload.ts"
import * as Name from "../../src/wire/Name.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import * as Cluster from "./ClusterNode.ts"

const seed = Uint8Array.from({ length: 32 }, (_, at) => at)
const spk = Ed25519.publicKey(seed)
const otherSeed = new Uint8Array(32).fill(7)
const now = Math.floor(Date.now() / 1000)
const owner = "cluster.example.org"

const sign = (
  seq: bigint,
  changes: Partial<ClusterManifest.ClusterManifest> = {},
  signer = seed
): string =>
  Either.getOrThrow(
    ClusterManifest.sign(
      {
        clusterName: "example.org",
        operatorSpk: Ed25519.publicKey(signer),
        nodes: [
          { nodeId: "self", httpEndpoint: "http://127.0.0.1:9", dnsEndpoint: "" },
          { nodeId: `peer-${seq % 1000n}`, httpEndpoint: `http://127.0.0.1:1`, dnsEndpoint: "" }
        ],
        seq,
        exp: now + 1_000_000,
        ...changes
      },
      signer
    )
  )

const pinned = (changes: Partial<PeersConfigShape> = {}) =>
  Cluster.peersConfig({
    operatorSpk: Option.some(spk),
    nodeId: Option.some("self"),
    syncInterval: 60,
    ...changes
  })
const named = { clusterBaseDomain: Option.some(Name.unsafeMake("example.org")) }

const peersOf = (node: Cluster.RunningNode) =>
  Effect.map(Context.get(node.context, PeerList).current, (peers) => peers.map(({ id }) => id))

const startWith = (peers: PeersConfigShape, disk?: Cluster.Disk) =>
  Effect.gen(function* () {
    const kept = disk ?? (yield* Cluster.newDisk)
    return { disk: kept, node: yield* Cluster.start({ disk: kept, peers, zone: named }) }
  })

describe("a cluster manifest", () => {
  it.scopedLive(
    "that is published changes the peers at once, lasts as long as it says, and survives a restart",
    () =>
      Effect.gen(function* () {
        const { disk, node } = yield* startWith(pinned())
        yield* node.publish(owner, sign(7n), 300)
        yield* Cluster.eventually(
          Effect.map(peersOf(node), (peers) => peers.join() === "peer-7"),
          1000
        )
        yield* Cluster.eventually(
          Effect.map(disk.records.rowsAt([Name.unsafeMake(owner)], now), (rows) =>
            rows.every(({ expiresAt }) => expiresAt >= now + 999_990)
          )
        )
        yield* node.publish(owner, sign(9n), 300)
        yield* Cluster.eventually(
          Effect.map(peersOf(node), (peers) => peers.join() === "peer-9"),
          1000
        )
        yield* Cluster.eventually(
          Effect.map(node.values(owner), (values) => values.length === 1 && values[0] === sign(9n))
        )
        yield* node.stop
        const again = yield* startWith(pinned(), disk)
        assert.deepStrictEqual(yield* peersOf(again.node), ["peer-9"])
      })
  )

  it.scopedLive(
    "leaves no lag behind for a node that is a peer no more, and keeps one renamed",
    () =>
      Effect.gen(function* () {
        const lagOf = (id: string) =>
          Effect.map(Metric.snapshot, (pairs) => {
            const pair = pairs.find(
              ({ metricKey }) =>
                metricKey.name === "dmp_sync_lag_seconds" &&
                metricKey.tags.some(({ value }) => value === id)
            )
            return pair !== undefined && MetricState.isGaugeState(pair.metricState)
              ? Number(pair.metricState.value)
              : undefined
          })
        const { node } = yield* startWith(pinned())
        yield* node.publish(owner, sign(701n), 300)
        // Nobody is at that address.
        yield* Cluster.eventually(
          Effect.map(lagOf("peer-701"), (lag) => (lag ?? 0) > 0),
          12_000
        )
        yield* node.publish(owner, sign(702n), 300)
        yield* Cluster.eventually(Effect.map(lagOf("peer-701"), (lag) => lag === 0))
        const states = Context.get(node.context, PeerStates)
        yield* Cluster.eventually(
          Effect.sync(
            () =>
              states
                .all()
                .map(({ peer }) => peer.id)
                .join() === "peer-702"
          )
        )
        yield* Effect.sleep("100 millis")
        assert.strictEqual(states.all()[0]?.peer.id, "peer-702")
      })
  )

  it.scopedLive("is refused when older, badly signed, of another cluster, expired or empty", () =>
    Effect.gen(function* () {
      const { node } = yield* startWith(pinned())
      const install = Context.get(node.context, ManifestInstall)
      const offer = (wire: string) => install.offer(wire, "the test")
      assert.strictEqual(yield* offer(sign(5n)), "installed")
      assert.strictEqual(yield* offer(sign(5n)), "older")
      assert.strictEqual(yield* offer(sign(4n)), "older")
      assert.strictEqual(yield* offer(sign(6n, {}, otherSeed)), "signature")
      assert.strictEqual(yield* offer(sign(6n, { clusterName: "other.org" })), "name-mismatch")
      assert.strictEqual(yield* offer(sign(6n, { exp: now - 1 })), "expired")
      assert.strictEqual(yield* offer(sign(6n, { exp: now + 160_000_000 })), "too-far-future")
      assert.strictEqual(
        yield* offer(
          sign(6n, {
            nodes: [{ nodeId: "x", httpEndpoint: "file:///etc/passwd", dnsEndpoint: "" }]
          })
        ),
        "no-nodes"
      )
      assert.deepStrictEqual(yield* peersOf(node), ["peer-5"])
      // A full u64 counts as what it is.
      assert.strictEqual(yield* offer(sign(2n ** 64n - 1n)), "installed")
      assert.strictEqual(yield* offer(sign(2n ** 64n - 2n)), "older")
    })
  )

  it.scopedLive("without a pinned key changes nothing", () =>
    Effect.gen(function* () {
      const { node } = yield* startWith(
        pinned({
          operatorSpk: Option.none(),
          syncPeers: [Cluster.url("http://127.0.0.1:2")]
        })
      )
      yield* node.publish(owner, sign(7n), 300)
      yield* Effect.sleep("200 millis")
      assert.notInclude(yield* peersOf(node), "peer-7")
    })
  )

  it.scopedLive("in a file is read at the start and again when told, in each of its shapes", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "cluster.json")
      writeFileSync(path, JSON.stringify({ wire: sign(3n) }))
      const { node } = yield* startWith(pinned({ clusterFile: path }))
      assert.deepStrictEqual(yield* peersOf(node), ["peer-3"])
      writeFileSync(path, sign(4n))
      yield* Context.get(node.context, Reload).all
      assert.deepStrictEqual(yield* peersOf(node), ["peer-4"])
      writeFileSync(path, "not a manifest")
      yield* Context.get(node.context, Reload).all
      assert.deepStrictEqual(yield* peersOf(node), ["peer-4"])

      const list = join(yield* tempDirectory, "nodes.json")
      writeFileSync(
        list,
        JSON.stringify({ nodes: [{ node_id: "listed", http_endpoint: "http://127.0.0.1:3" }] })
      )
      const other = yield* startWith(pinned({ clusterFile: list }))
      assert.deepStrictEqual(yield* peersOf(other.node), ["listed"])
      // The settings win over a list that was there before them.
      const set = yield* startWith(
        pinned({ clusterFile: list, syncPeers: [Cluster.url("http://127.0.0.1:8053")] })
      )
      assert.notInclude(yield* peersOf(set.node), "listed")
    })
  )

  it.scopedLive("published on one node reaches the others and changes their peers too", () =>
    Effect.gen(function* () {
      const a = yield* startWith(pinned({ syncInterval: 0.3 }))
      const b = yield* startWith(
        pinned({
          syncInterval: 0.3,
          nodeId: Option.some("other"),
          syncPeers: [Cluster.url(`http://127.0.0.1:${a.node.port}`)]
        })
      )
      yield* a.node.publish(owner, sign(11n), 300)
      yield* Cluster.eventually(
        Effect.map(peersOf(b.node), (peers) => peers.includes("peer-11")),
        2000
      )
    })
  )

  it.scopedLive("is served as the highest that verifies, or not at all", () =>
    Effect.gen(function* () {
      const { node } = yield* startWith(pinned())
      const get = Effect.promise(() =>
        fetch(`http://127.0.0.1:${node.port}/v1/sync/cluster-manifest`, {
          headers: { authorization: `Bearer ${Cluster.token}` }
        }).then(async (response) => ({ status: response.status, text: await response.text() }))
      )
      assert.deepStrictEqual(yield* get, { status: 204, text: "" })
      yield* node.publish(owner, sign(3n), 300)
      yield* node.publish(owner, sign(99n, {}, otherSeed), 300)
      yield* node.publish(owner, sign(2n ** 63n + 1n), 300)
      const served = yield* get
      assert.strictEqual(served.status, 200)
      assert.include(served.text, `"seq":9223372036854775809,`)
      assert.include(served.text, `"cluster_name":"example.org"`)
      assert.include(served.text, JSON.stringify(sign(2n ** 63n + 1n)))
    })
  )
})
