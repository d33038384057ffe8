/**
 * Publishes this node's heartbeat and signs it anew before readers find it too old. Exactly one
 * of its own stands in the zone at any time, whatever earlier processes left behind; those of
 * other nodes are never touched.
 */
import { Effect, Either, Layer, Option, Random, Redacted, Schedule } from "effect"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import type { Change } from "../zone/WriteRequest.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as HeartbeatMetrics from "./HeartbeatMetrics.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import { PeerStates } from "./PeerState.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Time for the nodes of the cluster to hear that the heartbeat is gone. */
const farewell = "1 second"

export interface Announced {
  /** At most 32 printable ASCII characters. */
  readonly version: string
  /** True when this node takes claims from strangers. */
  readonly claimProvider: boolean
}

/** May write at `owner` and nowhere else. */
export const grantAt = (owner: Name.Name, subject: string): WriteGrant =>
  new WriteGrant({
    subject,
    allows: (_, at) => at === owner,
    mayShorten: true,
    ignoresTtlCap: false
  })

export const layer = (announced: Announced) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const config = yield* HeartbeatConfig
      const { maxTtl } = yield* Limits
      const own = yield* OwnIdentity
      const publisher = yield* Publisher
      const states = yield* PeerStates
      const zone = yield* AnswerIndex
      const { servedZone } = yield* ZoneConfig
      if (Option.isNone(own.signer)) return
      if (Option.isNone(servedZone))
        return yield* Effect.logWarning("no heartbeat is published: this node serves no zone")
      const { endpoint, operatorSpk, seed } = own.signer.value
      const served = servedZone.value
      const owner = Name.unsafeMake(`_dnsmesh-heartbeat.${served}`)
      const grant = grantAt(owner, "own heartbeat")

      /** Those of this node that stand in the zone, as they are taken out. */
      const standing = (now: number, except?: string): ReadonlyArray<Change> =>
        zone.live(owner, now).flatMap(({ value }): ReadonlyArray<Change> => {
          const held = Either.getOrUndefined(Heartbeat.parse(value))
          return held !== undefined && value !== except && own.isOwnHeartbeat(held)
            ? [{ _tag: "DeleteValue", owner, value }]
            : []
        })

      const publish = Effect.gen(function* () {
        const now = yield* UnixTime.now
        const wire = yield* Heartbeat.sign(
          {
            endpoint,
            operatorSpk,
            version: Option.getOrElse(config.version, () => announced.version.slice(0, 32)),
            capabilities: announced.claimProvider ? Heartbeat.claimProvider : 0,
            zone: served,
            ts: now,
            exp: now + config.ttl
          },
          Redacted.value(seed)
        )
        yield* publisher.apply({
          grant,
          changes: [
            ...standing(now, wire),
            {
              _tag: "Add",
              record: { owner, value: wire, ttl: Math.min(config.ttl, maxTtl) }
            }
          ]
        })
        HeartbeatMetrics.published("ok")
        HeartbeatMetrics.setLastPublished(now)
      }).pipe(
        Effect.catchAllCause((cause) =>
          Effect.zipRight(
            Effect.sync(() => HeartbeatMetrics.published("failed")),
            Effect.logWarning("the heartbeat was not published", cause)
          )
        )
      )
      const withdraw = Effect.gen(function* () {
        const changes = standing(yield* UnixTime.now)
        if (changes.length === 0) return
        yield* publisher.apply({ grant, changes })
        yield* Effect.logInfo(`withdrew the heartbeat at ${owner}`)
        // The others of the cluster are told, and ask.
        if (states.all().length > 0) yield* Effect.sleep(farewell)
      }).pipe(
        Effect.interruptible,
        Effect.timeout("3 seconds"),
        Effect.catchAllCause((cause) => Effect.logWarning("the heartbeat was not withdrawn", cause))
      )
      // Before the fiber, so that it runs after it: nothing is published any more by then.
      if (config.withdrawOnExit) yield* Effect.addFinalizer(() => withdraw)

      const pause = Effect.flatMap(Random.nextRange(0.85, 1), (jitter) =>
        Effect.sleep(config.interval * 1000 * jitter)
      )
      yield* publish.pipe(
        Effect.zipRight(pause),
        Effect.repeat(Schedule.forever),
        Effect.annotateLogs({ logger: "dmp.server.heartbeat" }),
        Effect.forkScoped
      )
    })
  )
