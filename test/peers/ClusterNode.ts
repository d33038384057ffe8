/** A node of a cluster without its DNS and public doors: zone, replication and sync listener. */
import { Clock, Context, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { type AddressInfo, createServer } from "node:net"
import { SyncListener } from "../../src/http/SyncListener.ts"
import { SyncListeners } from "../../src/http/SyncListeners.ts"
import * as Cluster from "../../src/peers/Cluster.ts"
import { OwnIdentity } from "../../src/peers/OwnIdentity.ts"
import { PeerClient } from "../../src/peers/PeerClient.ts"
import { PeersConfig, type PeersConfigShape } from "../../src/peers/PeersConfig.ts"
import * as PeerUrl from "../../src/peers/PeerUrl.ts"
import { Reload } from "../../src/peers/Reload.ts"
import * as SyncApi from "../../src/peers/SyncApi.ts"
import { SyncState } from "../../src/peers/SyncState.ts"
import { LifecycleConfig } from "../../src/runtime/LifecycleConfig.ts"
import { Readiness } from "../../src/runtime/Readiness.ts"
import { AuthConfig } from "../../src/auth/AuthConfig.ts"
import * as Name from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { Limits } from "../../src/zone/Limits.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { type DigestRow, RecordStore } from "../../src/zone/RecordStore.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { ZoneConfig, type ZoneConfigShape } from "../../src/zone/ZoneConfig.ts"
import { noZone } from "../fixtures/Zones.ts"

export const zone = Name.unsafeMake("example.org")
export const token = "a token of the cluster"

export const url = (text: string): PeerUrl.PeerUrl => Option.getOrThrow(PeerUrl.parse(text))

export const peersConfig = (overrides: Partial<PeersConfigShape> = {}): PeersConfigShape => ({
  clusterFile: "/nonexistent/cluster.json",
  nodeId: Option.none(),
  syncPeers: [],
  syncToken: Option.some(Redacted.make(token)),
  acceptedSyncTokens: Option.none(),
  peerTokens: [],
  acceptedPeerTokens: [],
  nodeIdentity: Option.none(),
  syncAuth: "auto",
  syncInterval: 0.5,
  reconcileInterval: 900,
  operatorSpk: Option.none(),
  selfEndpoint: Option.none(),
  importZones: "served",
  syncRate: 0,
  syncBurst: 0,
  syncCompress: "on",
  syncHosts: ["127.0.0.1"],
  syncPort: Option.some(0),
  ...overrides
})

export const zoneConfig = (overrides: Partial<ZoneConfigShape> = {}): ZoneConfigShape => ({
  ...noZone,
  servedZone: Option.some(zone),
  zones: [zone],
  ...overrides
})

const auth = Layer.succeed(AuthConfig, {
  mode: "legacy",
  modeDerived: false,
  operatorToken: Option.some(Redacted.make("the operator's token")),
  allowOpenPublicBind: false,
  recordValidation: "strict"
})

/** What outlives a restart. */
export interface Disk {
  readonly records: RecordStore["Type"]
  readonly state: SyncState["Type"]
}

export const newDisk: Effect.Effect<Disk> = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.merge(RecordStore.layerMemory, SyncState.layerMemory))
  return { records: Context.get(context, RecordStore), state: Context.get(context, SyncState) }
}).pipe(Effect.scoped)

export interface NodeOptions {
  readonly disk: Disk
  readonly peers: PeersConfigShape
  readonly zone?: Partial<ZoneConfigShape>
  /** Milliseconds this node's clock is ahead. */
  readonly clockAhead?: number
  readonly client?: Layer.Layer<PeerClient>
  readonly identity?: OwnIdentity["Type"]
}

/** The clock of a machine that is wrong by `ahead` ms; waiting takes as long as ever. */
const skewed = (clock: Clock.Clock, ahead: number): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + ahead,
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos() + BigInt(ahead) * 1_000_000n,
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ahead),
  currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(ahead) * 1_000_000n),
  sleep: clock.sleep
})

export const layer = (options: NodeOptions) =>
  Layer.mergeAll(SyncListener.layer).pipe(
    Layer.provideMerge(Cluster.layer),
    Layer.provideMerge(Publisher.layer),
    Layer.provideMerge(AnswerIndex.layer),
    Layer.provideMerge(SyncListeners.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        Readiness.layer,
        Layer.succeed(LifecycleConfig, { shutdownTimeout: 10 }),
        ChangeFeed.layer,
        Limits.layer(),
        ContentPolicy.layerAcceptAll,
        Reload.layer,
        auth,
        options.client ?? PeerClient.layer,
        Layer.succeed(OwnIdentity, options.identity ?? OwnIdentity.make(undefined)),
        Layer.succeed(RecordStore, options.disk.records),
        Layer.succeed(SyncState, options.disk.state),
        Layer.succeed(PeersConfig, options.peers),
        Layer.succeed(ZoneConfig, zoneConfig(options.zone))
      )
    ),
    Layer.provide(
      Layer.unwrapEffect(
        Effect.map(Effect.clock, (clock) => Layer.setClock(skewed(clock, options.clockAhead ?? 0)))
      )
    )
  )

type Services = Layer.Layer.Success<ReturnType<typeof layer>>

export interface RunningNode {
  readonly context: Context.Context<Services>
  readonly port: number
  readonly stop: Effect.Effect<void>
  readonly publish: (owner: string, value: string, ttl?: number) => Effect.Effect<void>
  readonly withdraw: (owner: string, value: string) => Effect.Effect<void>
  /** One value for another, in one request. */
  readonly change: (owner: string, from: string, to: string) => Effect.Effect<void>
  readonly values: (owner: string) => Effect.Effect<ReadonlyArray<string>>
  /** Of a value held; 0 when it is not. */
  readonly secondsLeft: (owner: string, value: string) => Effect.Effect<number>
  /** The first 5,000 rows live at `now` (s), in the order of replication. */
  readonly rows: (now: number) => Effect.Effect<ReadonlyArray<DigestRow>>
  /** Every live `owner hash`, sorted. */
  readonly holdings: Effect.Effect<ReadonlyArray<string>>
}

/** Starts a node; it ends with the scope, or at `stop`. */
export const start = (options: NodeOptions): Effect.Effect<RunningNode, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) =>
      Scope.close(scope, Exit.void)
    )
    // In a fiber of its own, or the clock of one node would be that of all after it.
    const building = yield* Effect.forkDaemon(Layer.buildWithScope(layer(options), scope))
    const context = yield* Effect.orDie(Effect.flatten(Fiber.await(building)))
    const clock = skewed(yield* Effect.clock, options.clockAhead ?? 0)
    const publisher = Context.get(context, Publisher)
    const index = Context.get(context, AnswerIndex)
    const ahead = options.clockAhead ?? 0
    const seconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor((now + ahead) / 1000))
    const apply = (...changes: Parameters<typeof publisher.apply>[0]["changes"]) =>
      publisher
        .apply({ grant: WriteGrant.everything("test"), changes })
        .pipe(Effect.orDie, Effect.asVoid, Effect.withClock(clock))
    return {
      context,
      port: Context.get(context, SyncListener).addresses[0]?.port ?? 0,
      stop: Scope.close(scope, Exit.void),
      publish: (owner, value, ttl = 3600) =>
        apply({ _tag: "Add", record: { owner: Name.unsafeMake(owner), value, ttl } }),
      withdraw: (owner, value) =>
        apply({ _tag: "DeleteValue", owner: Name.unsafeMake(owner), value }),
      change: (owner, from, to) =>
        apply(
          { _tag: "DeleteValue", owner: Name.unsafeMake(owner), value: from },
          { _tag: "Add", record: { owner: Name.unsafeMake(owner), value: to, ttl: 3600 } }
        ),
      values: (owner) =>
        Effect.map(seconds, (now) =>
          index.live(Name.unsafeMake(owner), now).map(({ value }) => value)
        ),
      secondsLeft: (owner, value) =>
        Effect.map(seconds, (now) => {
          const held = index.live(Name.unsafeMake(owner), now).find((txt) => txt.value === value)
          return held === undefined ? 0 : held.expiresAt - now
        }),
      rows: (now) => Effect.orDie(options.disk.records.digest(SyncApi.start, 5000, now)),
      holdings: Effect.gen(function* () {
        const now = yield* seconds
        const rows: Array<string> = []
        let cursor = { storedTs: 0, owner: "", valueHash: "" }
        while (true) {
          const page = yield* Effect.orDie(options.disk.records.digest(cursor, 5000, now))
          for (const row of page) rows.push(`${row.owner} ${row.valueHash}`)
          const last = page.at(-1)
          if (last === undefined) return rows.sort()
          cursor = last
        }
      })
    }
  })

/** Waits until `condition` holds, or dies after `within` ms. */
export const eventually = <E>(
  condition: Effect.Effect<boolean, E>,
  within = 5000
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const began = performance.now()
    while (!(yield* Effect.orDie(condition))) {
      if (performance.now() - began > within)
        return yield* Effect.dieMessage(`not within ${within} ms`)
      yield* Effect.sleep("20 millis")
    }
    return performance.now() - began
  })

/** Ports of the loopback address `host` that are free now: nodes must know each other before they start. */
export const freePorts = (
  count: number,
  host = "127.0.0.1"
): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(async () => {
    const servers = Array.from({ length: count }, () => createServer())
    const ports = await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve) =>
            server.listen(0, host, () => resolve((server.address() as AddressInfo).port))
          )
      )
    )
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    return ports
  })
