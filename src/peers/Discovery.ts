/** Heartbeats, own and others', as one layer: what `App` adds to a node that shows itself. */
import { Effect, Layer, Option, Random, Schedule } from "effect"
import * as Harvest from "./Harvest.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as OwnHeartbeat from "./OwnHeartbeat.ts"
import { KeyPins } from "./KeyPins.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import { Resolver } from "./Resolver.ts"
import { SeedList } from "./SeedList.ts"
import * as SeenGraph from "./SeenGraph.ts"

const crawl = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { interval } = yield* HeartbeatConfig
    const { signer } = yield* OwnIdentity
    if (Option.isNone(signer)) return
    const harvest = yield* Harvest.make
    const graph = yield* SeenGraph.make
    const pause = Effect.flatMap(Random.nextRange(0.85, 1.15), (jitter) =>
      Effect.sleep(interval * 1000 * jitter)
    )
    yield* harvest.round.pipe(
      Effect.zipRight(graph.publish),
      Effect.catchAllCause((cause) => Effect.logWarning("a harvest of heartbeats failed", cause)),
      Effect.zipRight(pause),
      Effect.repeat(Schedule.forever),
      Effect.annotateLogs({ logger: "dmp.server.heartbeat" }),
      Effect.forkScoped
    )
  })
)

/**
 * Needs the zone, `HeartbeatConfig`, `PeersConfig`, `OwnIdentity`, `SeenStore`, `PeerClient`,
 * `Reload`. Does nothing while heartbeats are off.
 */
export const layer = (announced: OwnHeartbeat.Announced) =>
  Layer.mergeAll(OwnHeartbeat.layer(announced), crawl).pipe(
    Layer.provide(KeyPins.layer),
    Layer.provide([Resolver.layer, SeedList.layer])
  )
