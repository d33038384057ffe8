/** What an operator is told early: clocks that differ, and a manifest that ends. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, MetricState, Option, TestClock } from "effect"
import type { ClusterManifest } from "../../src/dmp/ClusterManifest.ts"
import * as ClusterBoot from "../../src/peers/ClusterBoot.ts"
import { type Installed, ManifestInstall } from "../../src/peers/ManifestInstall.ts"
import { idOf } from "../../src/peers/Peer.ts"
import { PeerList } from "../../src/peers/PeerList.ts"
import { PeersConfig } from "../../src/peers/PeersConfig.ts"
import { Reload } from "../../src/peers/Reload.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { collecting } from "../fixtures/LogLines.ts"
import * as Cluster from "./ClusterNode.ts"

const gauge = (name: string, peer: string) =>
  Effect.map(Metric.snapshot, (pairs) => {
    const found = pairs.find(
      ({ metricKey }) =>
        metricKey.name === name && metricKey.tags.some(({ value }) => value === peer)
    )
    return found !== undefined && MetricState.isGaugeState(found.metricState)
      ? Number(found.metricState.value)
      : undefined
  })

describe("a peer's clock", () => {
  it.scopedLive(
    "that is ten minutes off is warned about once, either way, and shown as it is",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const offsets = [600_000, -600_000, 5000]
        const others = yield* Effect.forEach(offsets, (clockAhead) =>
          Effect.flatMap(Cluster.newDisk, (disk) =>
            Cluster.start({ disk, clockAhead, peers: Cluster.peersConfig() })
          )
        )
        const urls = others.map(({ port }) => Cluster.url(`http://127.0.0.1:${port}`))
        const [ahead = "", behind = "", near = ""] = urls.map((url) => idOf(url, String(url.port)))
        const disk = yield* Cluster.newDisk
        yield* Cluster.start({
          disk,
          peers: Cluster.peersConfig({ syncInterval: 0.2, syncPeers: urls })
        }).pipe(Effect.provide(collecting(lines)))
        const offset = (peer: string) => gauge("dmp_sync_clock_offset_seconds", peer)
        const near600 = (value: number | undefined, sign: number) =>
          Math.abs((value ?? 0) - sign * 600) < 5
        yield* Cluster.eventually(
          Effect.gen(function* () {
            return (
              near600(yield* offset(ahead), 1) &&
              near600(yield* offset(behind), -1) &&
              Math.abs(((yield* offset(near)) ?? 0) - 5) < 3
            )
          }),
          15_000
        )
        const warnings = lines.filter((line) => line.startsWith("WARN") && /clock/.test(line))
        assert.lengthOf(warnings, 2)
        assert.isTrue(
          warnings.some((line) =>
            new RegExp(`clock of ${ahead} is (599|600) s ahead of`).test(line)
          )
        )
        assert.isTrue(
          warnings.some((line) => new RegExp(`clock of ${behind} is (600|601) s behind`).test(line))
        )
      }),
    30_000
  )
})

describe("a cluster manifest that ends", () => {
  const start = 1_800_000_000
  const day = 86_400

  /** The lines about it while the days pass; `installed` may change meanwhile. */
  const watching = (installed: () => Option.Option<Installed>, days: number) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* TestClock.setTime(start * 1000)
      yield* Layer.build(
        ClusterBoot.layer.pipe(
          Layer.provide([
            Layer.succeed(Reload, { register: () => Effect.void, all: Effect.void }),
            Layer.succeed(PeersConfig, Cluster.peersConfig()),
            Layer.mock(Publisher, { submit: () => assert.fail("nothing is published") }),
            Layer.mock(PeerList, { current: Effect.succeed([]) }),
            Layer.mock(ManifestInstall, {
              installed,
              offerStored: Effect.void,
              clusterName: Option.none,
              gossips: () => true,
              nodeAt: () => undefined
            })
          ])
        )
      ).pipe(Effect.provide(collecting(lines)))
      yield* TestClock.adjust(`${days} days`)
      return lines.filter((line) => line.includes("manifest"))
    })

  const manifest = (seq: bigint, exp: number): Installed => {
    const read: ClusterManifest = {
      clusterName: "example.org",
      operatorSpk: new Uint8Array(32),
      nodes: [],
      seq,
      exp
    }
    return { wire: "", manifest: read, ids: new Map() }
  }

  it.scoped("is warned about 30, 7 and 1 days ahead, once each, and when it is over", () =>
    Effect.gen(function* () {
      const lines = yield* watching(() => Option.some(manifest(1n, start + 40 * day)), 45)
      assert.deepStrictEqual(lines, [
        ...[30, 7, 1].map(
          (days) => `WARN the cluster manifest expires in ${days} days; sign and install a new one`
        ),
        "ERROR the cluster manifest has expired: peers stay, but no new node joins"
      ])
    })
  )

  it.scoped("is warned about at once by a node that starts late", () =>
    Effect.gen(function* () {
      const lines = yield* watching(() => Option.some(manifest(1n, start + 5 * day)), 2)
      assert.deepStrictEqual(lines, [
        "WARN the cluster manifest expires in 5 days; sign and install a new one"
      ])
    })
  )

  it.scoped("is no matter any more once there is a new one", () =>
    Effect.gen(function* () {
      const [old, renewed] = [manifest(1n, start + 31 * day), manifest(2n, start + 90 * day)]
      // The operator acts on the first warning, and has forgotten it by the next.
      let looks = 0
      const lines = yield* watching(() => Option.some(looks++ < 48 ? old : renewed), 65)
      assert.deepStrictEqual(lines, [
        "WARN the cluster manifest expires in 30 days; sign and install a new one",
        "WARN the cluster manifest expires in 30 days; sign and install a new one"
      ])
    })
  )
})
