import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Effect,
  Either,
  Exit,
  Layer,
  Metric,
  MetricState,
  Option,
  Redacted,
  Scope,
  TestClock
} from "effect"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as Discovery from "../../src/peers/Discovery.ts"
import * as Harvest from "../../src/peers/Harvest.ts"
import { HeartbeatConfig, type HeartbeatConfigShape } from "../../src/peers/HeartbeatConfig.ts"
import * as OwnHeartbeat from "../../src/peers/OwnHeartbeat.ts"
import { KeyPins } from "../../src/peers/KeyPins.ts"
import { OwnIdentity } from "../../src/peers/OwnIdentity.ts"
import { PeerClient, PeerUnreachable } from "../../src/peers/PeerClient.ts"
import { PeersConfig } from "../../src/peers/PeersConfig.ts"
import { PeerStates } from "../../src/peers/PeerState.ts"
import { ResolveFailed } from "../../src/peers/DnsExchange.ts"
import { Reload } from "../../src/peers/Reload.ts"
import { Resolver } from "../../src/peers/Resolver.ts"
import { SeedList } from "../../src/peers/SeedList.ts"
import * as SeenBook from "../../src/peers/SeenBook.ts"
import * as SeenGraph from "../../src/peers/SeenGraph.ts"
import { SeenStore } from "../../src/peers/SeenStore.ts"
import * as Name from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { Limits } from "../../src/zone/Limits.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import * as Cluster from "./ClusterNode.ts"

const start = 1_800_000_000

const heartbeatConfig = (changes: Partial<HeartbeatConfigShape> = {}): HeartbeatConfigShape => ({
  enabled: true,
  selfEndpoint: Option.none(),
  keyPath: Option.none(),
  seeds: [],
  resolvers: [],
  resolversCa: Option.none(),
  dnssecRequired: false,
  seedUrls: [],
  interval: 100,
  ttl: 86_400,
  maxPeers: 25,
  seenMaxRows: 10_000,
  retentionHours: 72,
  pinDays: 30,
  version: Option.none(),
  withdrawOnExit: false,
  legacyHttp: false,
  ...changes
})

/** What stands in the DNS of the whole test. */
type World = Map<string, (name: string) => ReadonlyArray<string>>

interface Site {
  readonly zone: string
  readonly seed: Uint8Array
  readonly seeds?: ReadonlyArray<string>
  readonly endpoint?: string
  readonly store?: RecordStore["Type"]
  readonly seen?: SeenStore["Type"]
  readonly withdrawOnExit?: boolean
}

const resolverOf = (world: World) =>
  Layer.succeed(Resolver, {
    txt: (name) =>
      Effect.suspend(() => {
        const zone = name.replace(/^(?:rotate\.cluster|[^.]+)\./, "")
        const answers = world.get(zone)
        return answers === undefined
          ? Effect.fail(new ResolveFailed({ message: "nobody answers" }))
          : Effect.succeed(answers(name))
      })
  })

const site = (
  world: World,
  { endpoint, seed, seeds = [], seen, store, withdrawOnExit = false, zone }: Site
) =>
  Effect.gen(function* () {
    const signer = {
      endpoint: endpoint ?? `https://node.${zone}`,
      operatorSpk: Ed25519.publicKey(seed),
      seed: Redacted.make(seed)
    }
    const served = Name.unsafeMake(zone)
    const context = yield* Layer.build(
      OwnHeartbeat.layer({ version: "1.2.3", claimProvider: true }).pipe(
        Layer.provideMerge(KeyPins.layer),
        Layer.provideMerge(Publisher.layer),
        Layer.provideMerge(AnswerIndex.layer),
        Layer.provideMerge(
          Layer.mergeAll(
            ChangeFeed.layer,
            Limits.layer(),
            ContentPolicy.layerAcceptAll,
            seen === undefined ? SeenStore.layerMemory : Layer.succeed(SeenStore, seen),
            store === undefined ? RecordStore.layerMemory : Layer.succeed(RecordStore, store),
            Layer.succeed(SeedList, { zones: () => [] }),
            Layer.succeed(OwnIdentity, OwnIdentity.make(signer, Option.some(signer))),
            Layer.succeed(PeersConfig, Cluster.peersConfig()),
            PeerStates.layer,
            Layer.succeed(
              HeartbeatConfig,
              heartbeatConfig({ seeds: seeds.map(Name.unsafeMake), withdrawOnExit })
            ),
            Layer.succeed(
              ZoneConfig,
              Cluster.zoneConfig({ servedZone: Option.some(served), zones: [served] })
            ),
            resolverOf(world)
          )
        )
      )
    )
    const index = Context.get(context, AnswerIndex)
    const answer = (name: string) =>
      index.live(Name.unsafeMake(name), start).map(({ value }) => value)
    world.set(zone, answer)
    const { round: harvest } = yield* Effect.provide(Harvest.make, context)
    const { publish: publishGraph } = yield* Effect.provide(SeenGraph.make, context)
    const publisher = Context.get(context, Publisher)
    const values = (name: string) => answer(`${name}.${zone}`)
    return {
      harvest,
      publishGraph,
      values,
      answer,
      seen: Context.get(context, SeenStore),
      put: (name: string, value: string) =>
        publisher.apply({
          grant: WriteGrant.everything("test"),
          changes: [
            {
              _tag: "Add",
              record: { owner: Name.unsafeMake(`${name}.${zone}`), value, ttl: 600 }
            }
          ]
        })
    }
  })

const seedOf = (octet: number) => new Uint8Array(32).fill(octet)
const settle = Effect.yieldNow().pipe(
  Effect.zipRight(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20))))
)
const own = "_dnsmesh-heartbeat"
const graph = "_dnsmesh-seen"

const wireOf = (octet: number, changes: Partial<Heartbeat.Heartbeat> = {}): string =>
  Either.getOrThrow(
    Heartbeat.sign(
      {
        endpoint: `https://node-${octet}.example.net`,
        operatorSpk: Ed25519.publicKey(seedOf(octet)),
        version: "0.7.5",
        capabilities: 0,
        zone: `zone-${octet}.example.net`,
        ts: start,
        exp: start + 86_400,
        ...changes
      },
      seedOf(octet)
    )
  )

describe("discovery", () => {
  it.scoped("shows exactly one own heartbeat through many signings and a restart", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map()
      const store = yield* Effect.map(Layer.build(RecordStore.layerMemory), (context) =>
        Context.get(context, RecordStore)
      )
      const first = yield* site(world, { zone: "a.org", seed: seedOf(1), store })
      yield* settle
      const sibling = wireOf(9)
      yield* first.put(own, sibling)
      const before = first.values(own)
      yield* TestClock.adjust("101 seconds")
      yield* settle
      const after = first.values(own)
      assert.lengthOf(after, 2)
      assert.include(after, sibling)
      assert.notDeepEqual([...after].sort(), [...before].sort())

      const restarted = yield* site(world, { zone: "a.org", seed: seedOf(1), store })
      yield* TestClock.adjust("1 seconds")
      yield* settle
      const again = restarted.values(own)
      assert.lengthOf(again, 2)
      assert.include(again, sibling)
    })
  )

  it.scoped("takes a node of its operator's at another endpoint for another node", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map()
      const store = Effect.map(Layer.build(RecordStore.layerMemory), (context) =>
        Context.get(context, RecordStore)
      )
      const shared = { zone: "a.org", seed: seedOf(1) }
      const endpoints = ["https://n1.a.org", "https://n2.a.org"]
      const held = yield* store
      const first = yield* site(world, { ...shared, endpoint: endpoints[0] ?? "", store: held })
      const second = yield* site(world, {
        ...shared,
        endpoint: endpoints[1] ?? "",
        store: yield* store
      })
      yield* settle
      const endpointsAt = (name: string, node: typeof first) =>
        node
          .values(name)
          .map((wire) => Either.getOrThrow(Heartbeat.parse(wire)).endpoint)
          .sort()
      // As replication brings it.
      const [theirs = ""] = second.values(own)
      yield* first.put(own, theirs)
      for (let at = 0; at < 3; at++) {
        yield* TestClock.adjust("101 seconds")
        yield* settle
        world.set("a.org", first.answer)
        assert.deepStrictEqual(endpointsAt(own, first), endpoints)
      }
      // Nor is it swept at the next start.
      const restarted = yield* site(world, { ...shared, endpoint: endpoints[0] ?? "", store: held })
      yield* settle
      assert.deepStrictEqual(endpointsAt(own, restarted), endpoints)
      world.set("a.org", restarted.answer)

      const observer = yield* site(world, { zone: "c.org", seed: seedOf(3), seeds: ["a.org"] })
      yield* observer.harvest
      yield* observer.publishGraph
      assert.deepStrictEqual(
        (yield* observer.seen.recent(start, 10)).map((row) => row.endpoint).sort(),
        endpoints
      )
      assert.deepStrictEqual(endpointsAt(graph, observer), endpoints)
    })
  )

  it.scoped("signs anew within two minutes, and says what it does", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const a = yield* site(new Map(), { zone: "a.org", seed: seedOf(1) })
      for (let seconds = 0; seconds <= 600; seconds += 20) {
        yield* settle
        const [wire = ""] = a.values(own)
        const heartbeat = Either.getOrThrow(Heartbeat.parse(wire))
        assert.isAtMost(start + seconds - heartbeat.ts, 120)
        assert.strictEqual(heartbeat.zone, "a.org")
        assert.strictEqual(heartbeat.version, "1.2.3")
        assert.strictEqual(heartbeat.capabilities, 1)
        yield* TestClock.adjust("20 seconds")
      }
    })
  )

  it.scoped("learns of a node through another one, but never of itself", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map()
      const a = yield* site(world, { zone: "a.org", seed: seedOf(1), seeds: ["b.org"] })
      const b = yield* site(world, { zone: "b.org", seed: seedOf(2), seeds: ["a.org", "c.org"] })
      const c = yield* site(world, { zone: "c.org", seed: seedOf(3), seeds: ["b.org"] })
      yield* settle
      for (const node of [b, a, c, a]) {
        yield* node.harvest
        yield* node.publishGraph
      }
      const known = yield* a.seen.recent(start, 10)
      assert.sameMembers(
        known.map(({ endpoint }) => endpoint),
        ["https://node.b.org", "https://node.c.org"]
      )
      // Once its own zone has been asked, it is known at first hand.
      assert.deepInclude(
        known.find(({ endpoint }) => endpoint === "https://node.c.org"),
        {
          source: "c.org"
        }
      )
      assert.lengthOf(a.values(graph), 2)
      for (const wire of a.values(graph))
        assert.notStrictEqual(
          Either.getOrThrow(Heartbeat.parse(wire)).endpoint,
          "https://node.a.org"
        )
    })
  )

  it.scoped("writes the graph only when it changed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map([["b.org", () => [wireOf(5, { zone: "b.org" })]]])
      const store = yield* Effect.map(Layer.build(RecordStore.layerMemory), (context) =>
        Context.get(context, RecordStore)
      )
      const a = yield* site(world, { zone: "a.org", seed: seedOf(1), seeds: ["b.org"], store })
      yield* settle
      yield* a.harvest
      yield* a.publishGraph
      const stamp = Effect.map(
        store.digest({ storedTs: 0, owner: "", valueHash: "" }, 100, start),
        (rows) => rows.find(({ owner }) => owner.startsWith(graph))?.storedTs
      )
      const first = yield* stamp
      assert.isDefined(first)
      yield* TestClock.adjust("50 seconds")
      yield* a.harvest
      yield* a.publishGraph
      assert.strictEqual(yield* stamp, first)
    })
  )

  it.effect("believes a zone about itself before it believes others, in fair shares", () =>
    Effect.sync(() => {
      const judge = (wire: string, zone: string, ownName = true) =>
        SeenBook.judge({ zone: Name.unsafeMake(zone), ownName, wire }, start, () => false)
      const row = (wire: string, zone: string, ownName = true) => {
        const verdict = judge(wire, zone, ownName)
        return verdict._tag === "Accepted" ? [verdict.row] : []
      }
      const flood = Array.from({ length: 40 }, (_, at) =>
        row(
          wireOf(4, { endpoint: `https://spam-${at}.example.net`, ts: start + 299 }),
          "liar.org",
          false
        )
      ).flat()
      const honest = row(wireOf(5, { zone: "b.org", ts: start - 2000 }), "b.org")
      const lies = row(wireOf(6, { zone: "victim.org" }), "liar.org")
      assert.isFalse(SeenBook.isFirstHand(lies[0]!))
      const ranked = SeenBook.ranked([...flood, ...lies, ...honest])
      assert.strictEqual(ranked[0]?.source, "b.org")
      assert.lengthOf(ranked, 4 + 1 + 1)
    })
  )

  it.scoped("keeps no more keys of a zone than it can have nodes, round after round", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map()
      const zone = "greedy.org"
      let made = 20
      world.set(zone, (name) =>
        name.startsWith(graph)
          ? [wireOf(5, { zone: "b.org" })]
          : Array.from({ length: 20 }, () => {
              made++
              return wireOf(made % 256, { zone, endpoint: `https://n${made}.${zone}` })
            })
      )
      const a = yield* site(world, { zone: "a.org", seed: seedOf(1), seeds: [zone] })
      for (let round = 0; round < 6; round++) yield* a.harvest
      const rows = yield* a.seen.recent(start, 10_000)
      const keys = rows.filter(SeenBook.isFirstHand).map((row) => row.operatorSpkHex)
      assert.isAbove(made, 120)
      assert.strictEqual(new Set(keys).size, 16)
      assert.lengthOf(
        rows.filter((row) => !SeenBook.isFirstHand(row)),
        1
      )
    })
  )

  describe("with the keys of a zone", () => {
    const zone = "b.org"
    const named = (octet: number, changes: Partial<Heartbeat.Heartbeat> = {}) =>
      wireOf(octet, { zone, endpoint: `https://n${octet}.${zone}`, ...changes })
    const shows = (own: ReadonlyArray<string>, rotations: ReadonlyArray<string> = []) => {
      const answer = (name: string): ReadonlyArray<string> =>
        name.startsWith(graph) ? [] : name.startsWith("rotate.cluster.") ? rotations : own
      return answer
    }
    const changed = (kind: string) =>
      Effect.map(Metric.snapshot, (pairs) =>
        pairs.reduce(
          (sum, { metricKey, metricState }) =>
            metricKey.name === "dmp_heartbeat_key_changes_total" &&
            metricKey.tags.some(({ value }) => value === kind) &&
            MetricState.isCounterState(metricState)
              ? sum + Number(metricState.count)
              : sum,
          0
        )
      )
    const passedOn = (node: { readonly values: (name: string) => ReadonlyArray<string> }) =>
      node
        .values(graph)
        .map((wire) => Either.getOrThrow(Heartbeat.parse(wire)).endpoint)
        .sort()
    const rotation = (from: number, to: number) =>
      Either.getOrThrow(
        Rotation.sign(
          {
            subject: { kind: "cluster-operator", name: zone },
            oldSpk: Ed25519.publicKey(seedOf(from)),
            newSpk: Ed25519.publicKey(seedOf(to)),
            seq: 1n,
            ts: start,
            exp: start + 86_400
          },
          seedOf(from),
          seedOf(to)
        )
      )
    const observer = (world: World, seen?: SeenStore["Type"]) =>
      site(world, {
        zone: "a.org",
        seed: seedOf(1),
        seeds: [zone],
        ...(seen === undefined ? {} : { seen })
      })

    it.scoped("reports a key that follows from none it had, and passes it on to nobody", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start * 1000)
        const world: World = new Map([[zone, shows([named(5), named(6)])]])
        const a = yield* observer(world)
        yield* settle
        yield* a.harvest
        yield* a.publishGraph
        // Several keys at first sight are several nodes.
        assert.deepStrictEqual(passedOn(a), ["https://n5.b.org", "https://n6.b.org"])
        const before = yield* changed("changed")
        world.set(zone, shows([named(5), named(7)]))
        yield* a.harvest
        yield* a.harvest
        yield* a.publishGraph
        assert.strictEqual((yield* changed("changed")) - before, 1)
        assert.notInclude(passedOn(a), "https://n7.b.org")
        const row = (yield* a.seen.recent(start, 10)).find(
          ({ endpoint }) => endpoint === "https://n7.b.org"
        )
        assert.strictEqual(row?.source, "seen:b.org")
      })
    )

    it.scoped("still knows them after a restart", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start * 1000)
        const world: World = new Map([[zone, shows([named(5)])]])
        const seen = Context.get(yield* Layer.build(SeenStore.layerMemory), SeenStore)
        const first = yield* observer(world, seen)
        yield* first.harvest
        world.set(zone, shows([named(8)]))
        const before = yield* changed("changed")
        const again = yield* observer(world, seen)
        yield* again.harvest
        yield* again.publishGraph
        assert.strictEqual((yield* changed("changed")) - before, 1)
        assert.notInclude(passedOn(again), "https://n8.b.org")
      })
    )

    it.scoped("follows a rotation that both keys signed", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start * 1000)
        const world: World = new Map([[zone, shows([named(5)])]])
        const a = yield* observer(world)
        yield* a.harvest
        const before = [yield* changed("changed"), yield* changed("rotated")]
        world.set(zone, shows([named(7)], ["rubbish", rotation(5, 6), rotation(6, 7)]))
        yield* a.harvest
        yield* a.publishGraph
        assert.include(passedOn(a), "https://n7.b.org")
        assert.deepStrictEqual(
          [yield* changed("changed"), yield* changed("rotated")],
          [before[0] ?? 0, (before[1] ?? 0) + 1]
        )
        const row = (yield* a.seen.recent(start, 10)).find(
          ({ endpoint }) => endpoint === "https://n7.b.org"
        )
        assert.strictEqual(row?.source, zone)
      })
    )

    it.scoped("lets nobody else speak for it", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start * 1000)
        const liar = "liar.org"
        const world: World = new Map([
          [zone, shows([named(5)])],
          [liar, (name) => (name.startsWith(graph) ? [named(9, { ts: start + 299 })] : [])]
        ])
        const a = yield* site(world, { zone: "a.org", seed: seedOf(1), seeds: [zone, liar] })
        yield* a.harvest
        yield* a.harvest
        yield* a.publishGraph
        assert.deepStrictEqual(passedOn(a), ["https://n5.b.org"])
      })
    )
  })

  it.effect("gives no zone more than its share, however many keys it makes up", () =>
    Effect.sync(() => {
      const at = (seed: number, zone: string, ts: number) => {
        const wire = wireOf(seed, { zone, endpoint: `https://n${seed}.${zone}`, ts })
        const verdict = SeenBook.judge(
          { zone: Name.unsafeMake(zone), ownName: true, wire },
          start,
          () => false
        )
        return verdict._tag === "Accepted" ? [verdict.row] : []
      }
      const greedy = Array.from({ length: 20 }, (_, n) => at(100 + n, "greedy.org", start + 299))
      const honest = at(5, "b.org", start - 2000)
      const ranked = SeenBook.ranked([...greedy.flat(), ...honest])
      assert.lengthOf(greedy.flat(), 20)
      assert.lengthOf(ranked, 8 + 1)
      assert.strictEqual(ranked.at(-1)?.source, "b.org")
    })
  )

  it.effect("refuses what is not sound: skew ahead, ended, far future, odd endpoints", () =>
    Effect.sync(() => {
      const verdict = (changes: Partial<Heartbeat.Heartbeat>) =>
        SeenBook.judge(
          { zone: Name.unsafeMake("b.org"), ownName: true, wire: wireOf(5, changes) },
          start,
          () => false
        )._tag
      assert.strictEqual(verdict({ ts: start + 300 }), "Accepted")
      assert.strictEqual(verdict({ ts: start + 301 }), "Refused")
      assert.strictEqual(verdict({ ts: start - 9000, exp: start }), "Refused")
      assert.strictEqual(verdict({ exp: start + 2_592_000 }), "Accepted")
      assert.strictEqual(verdict({ exp: start + 2_592_001 }), "Refused")
      assert.strictEqual(verdict({ ts: start - 80_000 }), "Accepted")
      const forged = wireOf(5).replace(/.$/, "A")
      assert.strictEqual(
        SeenBook.judge(
          { zone: Name.unsafeMake("b.org"), ownName: true, wire: forged },
          start,
          () => false
        )._tag,
        "Refused"
      )
    })
  )

  it.scoped("does nothing at all while it is off", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const context = yield* Layer.build(
        Discovery.layer({ version: "1", claimProvider: false }).pipe(
          Layer.provideMerge(Publisher.layer),
          Layer.provideMerge(AnswerIndex.layer),
          Layer.provideMerge(
            Layer.mergeAll(
              ChangeFeed.layer,
              Limits.layer(),
              ContentPolicy.layerAcceptAll,
              RecordStore.layerMemory,
              SeenStore.layerMemory,
              Reload.layer,
              PeerStates.layer,
              Layer.succeed(PeerClient, {
                request: ({ url }) =>
                  Effect.zipRight(
                    Effect.sync(() => requests.push(url.href)),
                    Effect.fail(new PeerUnreachable({ message: "no", late: false }))
                  )
              }),
              OwnIdentity.layerNone,
              Layer.succeed(PeersConfig, Cluster.peersConfig()),
              Layer.succeed(
                HeartbeatConfig,
                heartbeatConfig({
                  enabled: false,
                  seedUrls: [Cluster.url("https://seeds.example.net/seeds.txt")]
                })
              ),
              Layer.succeed(ZoneConfig, Cluster.zoneConfig())
            )
          )
        )
      )
      yield* TestClock.adjust("1 days")
      yield* settle
      assert.strictEqual(Context.get(context, AnswerIndex).valueCount, 0)
      assert.isEmpty(requests)
    })
  )

  it.scoped("keeps the last sound seed list when a fetch brings none", () =>
    Effect.gen(function* () {
      const replies: Array<{ status: number; body: string }> = [
        { status: 200, body: "a.example.net\nb.example.net\n" },
        { status: 200, body: "<html>sorry</html>" },
        { status: 302, body: "evil.example.net" },
        // Neither a length nor an end of line: the last name may be the half of one.
        { status: 200, body: "d.example.net\nc.exam" },
        { status: 200, body: "192.0.2.1\n" },
        { status: 200, body: "c.example.net\n" }
      ]
      const asked: Array<string> = []
      const context = yield* Layer.build(
        SeedList.layer.pipe(
          Layer.provideMerge(
            Layer.mergeAll(
              Reload.layer,
              SeenStore.layerMemory,
              Layer.succeed(PeerClient, {
                request: ({ chosenBy, headers, url }) =>
                  Effect.sync(() => {
                    asked.push(`${url.href} ${chosenBy} ${headers === undefined}`)
                    const { body, status } = replies.shift() ?? { status: 500, body: "" }
                    return { status, headers: {}, body: Buffer.from(body) }
                  })
              }),
              Layer.succeed(
                HeartbeatConfig,
                heartbeatConfig({
                  seedUrls: [Cluster.url("https://seeds.example.net/seeds.txt")]
                })
              )
            )
          )
        )
      )
      const { zones } = Context.get(context, SeedList)
      const again = Context.get(context, Reload).all
      yield* settle
      const first = ["a.example.net", "b.example.net"]
      assert.deepStrictEqual(zones().map(String), first)
      for (let unsound = 0; unsound < 4; unsound++) {
        yield* again
        assert.deepStrictEqual(zones().map(String), first)
      }
      yield* again
      assert.deepStrictEqual(zones().map(String), ["c.example.net"])
      assert.deepStrictEqual(
        [...new Set(asked)],
        ["https://seeds.example.net/seeds.txt stranger true"]
      )
    })
  )

  it.scoped("has the last sound seed list after a restart, judged anew and with its age", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const store = Context.get(yield* Layer.build(SeenStore.layerMemory), SeenStore)
      const list = "https://seeds.example.net/seeds.txt"
      const seedList = (answers: boolean, urls = [list]) =>
        Effect.map(
          Layer.build(
            SeedList.layer.pipe(
              Layer.provide(
                Layer.mergeAll(
                  Reload.layer,
                  Layer.succeed(SeenStore, store),
                  Layer.succeed(PeerClient, {
                    request: () =>
                      answers
                        ? Effect.succeed({
                            status: 200,
                            headers: {},
                            body: Buffer.from("A.example.net # ours\nb.example.net\n")
                          })
                        : Effect.fail(new PeerUnreachable({ message: "no", late: false }))
                  }),
                  Layer.succeed(
                    HeartbeatConfig,
                    heartbeatConfig({ seedUrls: urls.map(Cluster.url) })
                  )
                )
              )
            )
          ),
          (context) => Context.get(context, SeedList).zones
        ).pipe(
          Effect.zipLeft(settle),
          Effect.map((zones) => zones().map(String)),
          Effect.scoped
        )
      const age = Effect.map(
        Metric.value(
          Metric.gauge("dmp_heartbeat_seed_lists_timestamp_seconds", {
            description:
              "When the oldest public seed list in use was fetched, Unix seconds; 0 without any"
          })
        ),
        ({ value }) => value
      )

      const first = ["a.example.net", "b.example.net"]
      assert.deepStrictEqual(yield* seedList(true), first)
      assert.strictEqual(yield* age, start)
      yield* TestClock.setTime((start + 90_000) * 1000)
      assert.deepStrictEqual(yield* seedList(false), first)
      assert.strictEqual(yield* age, start)

      yield* store.saveSeedList({ url: list, text: "<html>\na.example.net", fetchedAt: start })
      assert.deepStrictEqual(yield* seedList(false), [])
      assert.deepStrictEqual(yield* store.seedLists, [])

      yield* seedList(true)
      const other = "https://seeds.example.net/other.txt"
      assert.deepStrictEqual(yield* seedList(false, [other]), [])
      assert.deepStrictEqual(yield* store.seedLists, [])
      assert.strictEqual(yield* age, 0)
    })
  )

  it.scoped("asks zones it only hears of although many are known at first hand", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const world: World = new Map()
      const crowd = Array.from({ length: 60 }, (_, at) => `n${at}.example.net`)
      for (const [at, zone] of crowd.entries())
        world.set(zone, (name) =>
          name.startsWith(graph)
            ? at === 0
              ? [wireOf(200, { zone: "far.example.net", endpoint: "https://far.example.net" })]
              : []
            : [wireOf(at + 10, { zone, endpoint: `https://${zone}` })]
        )
      world.set("far.example.net", (name) =>
        name.startsWith(graph)
          ? []
          : [wireOf(200, { zone: "far.example.net", endpoint: "https://far.example.net" })]
      )
      const a = yield* site(world, { zone: "a.org", seed: seedOf(1), seeds: crowd })
      for (let round = 0; round < 12; round++) yield* a.harvest
      const far = (yield* a.seen.recent(start, 100)).find(
        ({ endpoint }) => endpoint === "https://far.example.net"
      )
      assert.strictEqual(far?.source, "far.example.net")
    })
  )

  it.scoped("leaves its heartbeat behind, or takes it along when it is told to", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      for (const withdrawOnExit of [false, true]) {
        const world: World = new Map()
        const store = Context.get(yield* Layer.build(RecordStore.layerMemory), RecordStore)
        const scope = yield* Scope.make()
        const { put } = yield* Scope.extend(
          site(world, { zone: "a.org", seed: seedOf(1), store, withdrawOnExit }),
          scope
        )
        yield* settle
        const sibling = wireOf(9)
        yield* put(own, sibling)
        yield* Scope.close(scope, Exit.void)
        const rows = yield* store.rowsAt([Name.unsafeMake(`${own}.a.org`)], start)
        assert.lengthOf(rows, withdrawOnExit ? 1 : 2)
        assert.include(
          rows.map(({ value }) => value),
          sibling
        )
      }
    })
  )
})
