/**
 * What the node answers from: every live TXT RRset, in memory, so a query never waits on
 * disk. Filled from the store when the layer is built; afterwards only the publisher and
 * the expiry fiber change it.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { collect } from "../runtime/Garbage.ts"
import { toWireKey } from "../wire/Name.ts"
import { LiveZone, toOctets } from "./LiveZone.ts"
import { RecordStore } from "./RecordStore.ts"

export class AnswerIndex extends Context.Tag("dnsmesh/zone/AnswerIndex")<AnswerIndex, LiveZone>() {
  static readonly layer = Layer.effect(
    AnswerIndex,
    Effect.gen(function* () {
      const store = yield* RecordStore
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const zone = new LiveZone(now)
      yield* Stream.runForEach(store.live(now), (rows) =>
        Effect.sync(() => {
          for (const [owner, value, expiresAt] of rows)
            zone.hold(toWireKey(owner), toOctets(value), expiresAt)
        })
      )
      yield* collect
      return zone
    })
  )
}
