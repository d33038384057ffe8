/** Whom this node knows by heartbeats, for those who ask over HTTP: pages and old releases. */
import { Context, Effect, Either, Layer, Option } from "effect"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import * as SeenBook from "./SeenBook.ts"
import { type SeenRow, SeenStore } from "./SeenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export interface OwnFacts {
  readonly endpoint: string
  /** 64 lower-case hex digits. */
  readonly operatorSpkHex: string
}

export class Gossip extends Context.Tag("dnsmesh/peers/Gossip")<
  Gossip,
  {
    /** None while heartbeats are off. */
    readonly own: Option.Option<OwnFacts>
    /** Valid heartbeats of others, newest first. */
    readonly seen: (limit: number) => Effect.Effect<ReadonlyArray<SeenRow>, StoreError>
    /** Takes a heartbeat somebody sent; yields who signed it, if it is sound. */
    readonly submit: (
      wire: string,
      remote: string
    ) => Effect.Effect<Option.Option<string>, StoreError>
  }
>() {
  static readonly layer = Layer.effect(
    Gossip,
    Effect.gen(function* () {
      const { seenMaxRows } = yield* HeartbeatConfig
      const own = yield* OwnIdentity
      const store = yield* SeenStore
      return Gossip.of({
        own: Option.map(own.signer, ({ endpoint, operatorSpk }) => ({
          endpoint,
          operatorSpkHex: Buffer.from(operatorSpk).toString("hex")
        })),
        seen: (limit) => Effect.flatMap(UnixTime.now, (now) => store.recent(now, limit)),
        submit: (wire, remote) =>
          Effect.gen(function* () {
            const now = yield* UnixTime.now
            // Who brings it himself has no reason for an old one.
            const verified = Heartbeat.verify(wire, now)
            if (Either.isLeft(verified)) return Option.none()
            const row = SeenBook.rowOf(
              wire,
              verified.right,
              now,
              `${SeenBook.hearsayPrefix}${remote}`
            )
            if (row !== undefined && !own.isOwnHeartbeat(verified.right)) {
              yield* store.put([row])
              yield* store.sweep(0, seenMaxRows)
            }
            return Option.some(Buffer.from(verified.right.operatorSpk).toString("hex"))
          })
      })
    })
  )
}
