import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Either, Option } from "effect"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import { Deletions } from "../../src/peers/Deletions.ts"
import { PeerStates } from "../../src/peers/PeerState.ts"
import * as Name from "../../src/wire/Name.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"
import * as Cluster from "./ClusterNode.ts"

/** `a`, and `b` that follows it with settings of its own. */
const pair = (changes: Parameters<typeof Cluster.peersConfig>[0] = {}) =>
  Effect.gen(function* () {
    const a = yield* Cluster.start({
      disk: yield* Cluster.newDisk,
      peers: Cluster.peersConfig()
    })
    const disk = yield* Cluster.newDisk
    const url = Cluster.url(`http://127.0.0.1:${a.port}`)
    const start = Cluster.start({
      disk,
      peers: Cluster.peersConfig({ syncInterval: 0.2, syncPeers: [url], ...changes })
    })
    return { a, disk, start, url }
  })

describe("healing", () => {
  it.scopedLive("finds rows behind a watermark by comparing the whole", () =>
    Effect.gen(function* () {
      const { a, disk, start, url } = yield* pair({ reconcileInterval: 1 })
      yield* Effect.forEach(
        Array.from({ length: 300 }, (_, at) => at),
        (at) => a.publish(`row-${at}.example.org`, `value ${at}`),
        { concurrency: 64, discard: true }
      )
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const rows = yield* a.rows(now)
      const last = rows.at(-1)
      assert.isDefined(last)
      // As after rows came to stand behind what had been read already.
      yield* disk.state.saveWatermark({
        peer: url.href,
        storedTs: last.storedTs,
        owner: last.owner,
        valueHash: last.valueHash,
        deletionsSeen: 0
      })
      const b = yield* start
      yield* Cluster.eventually(
        Effect.map(b.holdings, (rows) => rows.length === 300),
        5000
      )
      assert.deepStrictEqual(yield* b.holdings, yield* a.holdings)
    })
  )

  it.scopedLive("reads a peer from the start whose order lies behind what was read of it", () =>
    Effect.gen(function* () {
      const { a, disk, start, url } = yield* pair()
      yield* Effect.forEach(
        Array.from({ length: 300 }, (_, at) => at),
        (at) => a.publish(`row-${at}.example.org`, `value ${at}`),
        { concurrency: 64, discard: true }
      )
      // As after the peer was restored, or stamped its rows anew because its clock was set back.
      yield* disk.state.saveWatermark({
        peer: url.href,
        storedTs: (yield* Clock.currentTimeMillis) + 3_600_000,
        owner: "",
        valueHash: "",
        deletionsSeen: 0
      })
      const b = yield* start
      yield* Cluster.eventually(Effect.map(b.holdings, (rows) => rows.length === 300))
      yield* Cluster.eventually(
        Effect.map(disk.state.watermarks, ([mark]) => mark !== undefined && mark.owner !== "")
      )
      yield* a.publish("later.example.org", "value")
      yield* Cluster.eventually(Effect.map(b.holdings, (rows) => rows.length === 301))
    })
  )

  it.scopedLive("takes what fits of rows that do not all fit, and says which do not", () =>
    Effect.gen(function* () {
      const disk = yield* Cluster.newDisk
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const peer = yield* Cluster.newDisk
      // A peer with caps of its own: 80 values where this node keeps 64.
      const row = (owner: string, value: string): RowChange => ({
        _tag: "Put",
        row: {
          owner: Name.unsafeMake(owner),
          value,
          ttl: 3600,
          createdAt: now,
          expiresAt: now + 3600
        }
      })
      yield* peer.records.commit([
        ...Array.from({ length: 80 }, (_, at) => row("full.example.org", `value ${at}`)),
        ...Array.from({ length: 40 }, (_, at) => row(`fits-${at}.example.org`, "value"))
      ])
      const a = yield* Cluster.start({ disk: peer, peers: Cluster.peersConfig() })
      const b = yield* Cluster.start({
        disk,
        peers: Cluster.peersConfig({
          syncInterval: 0.2,
          syncPeers: [Cluster.url(`http://127.0.0.1:${a.port}`)]
        })
      })
      yield* Cluster.eventually(Effect.map(b.holdings, (rows) => rows.length === 64 + 40))
      const states = Context.get(b.context, PeerStates)
      yield* Cluster.eventually(
        Effect.sync(() => states.all()[0]?.quarantine.reasons()["values-per-name"] === 16)
      )
      assert.lengthOf(yield* b.values("full.example.org"), 64)
    })
  )

  it.scopedLive("goes on from its watermark after a restart", () =>
    Effect.gen(function* () {
      const { a, disk, start, url } = yield* pair()
      yield* a.publish("one.example.org", "1")
      const first = yield* start
      yield* Cluster.eventually(Effect.map(first.holdings, (rows) => rows.length === 1))
      yield* first.stop
      const [mark] = yield* disk.state.watermarks
      assert.strictEqual(mark?.peer, url.href)
      assert.strictEqual(mark?.owner, "one.example.org")
      const again = yield* start
      yield* Cluster.eventually(
        Effect.sync(() =>
          Context.get(again.context, PeerStates)
            .all()
            .some(({ caughtUpAt }) => caughtUpAt > 0)
        )
      )
      const [state] = Context.get(again.context, PeerStates).all()
      assert.strictEqual(state?.taken, 0)
    })
  )

  it.scopedLive("takes over a longer life, and never a shorter one", () =>
    Effect.gen(function* () {
      const { a, disk, start } = yield* pair()
      const b = yield* start
      const left = Effect.gen(function* () {
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const [row] = yield* disk.records.digest({ storedTs: 0, owner: "", valueHash: "" }, 9, now)
        return row === undefined ? 0 : row.expiresAt - now
      })
      yield* a.publish("life.example.org", "x", 100)
      yield* Cluster.eventually(Effect.map(left, (seconds) => seconds > 90))
      yield* a.publish("life.example.org", "x", 1000)
      yield* Cluster.eventually(Effect.map(left, (seconds) => seconds > 990))
      yield* a.publish("life.example.org", "x", 50)
      yield* Effect.sleep("600 millis")
      assert.isAbove(yield* left, 900)
      assert.lengthOf(yield* b.values("life.example.org"), 1)
    })
  )

  it.scopedLive("shares heartbeats, the newest of each node, but not its own", () =>
    Effect.gen(function* () {
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const wire = (octet: number, ts: number) => {
        const seed = new Uint8Array(32).fill(octet)
        return Either.getOrThrow(
          Heartbeat.sign(
            {
              endpoint: `https://node-${octet}.example.org`,
              operatorSpk: Ed25519.publicKey(seed),
              version: "1",
              capabilities: 0,
              zone: "example.org",
              ts,
              exp: ts + 3600
            },
            seed
          )
        )
      }
      const owner = "_dnsmesh-heartbeat.example.org"
      const { a, start } = yield* pair({ nodeId: Option.some("b") })
      yield* a.publish(owner, wire(1, now - 200))
      const b = yield* start
      yield* Cluster.eventually(Effect.map(b.values(owner), (values) => values.length === 1))
      yield* a.publish(owner, wire(1, now))
      yield* a.publish(owner, wire(2, now))
      yield* Cluster.eventually(
        Effect.map(b.values(owner), (values) =>
          [wire(1, now), wire(2, now)].every((each) => values.includes(each))
        )
      )
      assert.lengthOf(yield* b.values(owner), 2)
    })
  )

  it.scopedLive("takes a withdrawn heartbeat away everywhere, and none that was signed anew", () =>
    Effect.gen(function* () {
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const seed = new Uint8Array(32).fill(3)
      const wire = (ts: number) =>
        Either.getOrThrow(
          Heartbeat.sign(
            {
              endpoint: "https://node.example.org",
              operatorSpk: Ed25519.publicKey(seed),
              version: "1",
              capabilities: 0,
              zone: "example.org",
              ts,
              exp: ts + 3600
            },
            seed
          )
        )
      const owner = "_dnsmesh-heartbeat.example.org"
      const { a, start } = yield* pair()
      yield* a.publish(owner, wire(now - 100))
      const b = yield* start
      const shows = (expected: ReadonlyArray<string>) =>
        Cluster.eventually(Effect.map(b.values(owner), (held) => held.join() === expected.join()))
      yield* shows([wire(now - 100)])
      yield* a.change(owner, wire(now - 100), wire(now))
      yield* shows([wire(now)])
      const deletions = Context.get(a.context, Deletions)
      assert.strictEqual(deletions.size(), 0)
      yield* Effect.sleep("1100 millis")
      yield* a.withdraw(owner, wire(now))
      assert.strictEqual(deletions.size(), 1)
      yield* shows([])
    })
  )
})
