/**
 * What the node answers from: every live TXT RRset, in memory, so a query never waits on
 * disk. Filled by the store when the layer is built, on the store's own thread where it has
 * one; afterwards only the publisher and the expiry fiber change it.
 */
import { Context, Effect, Layer } from "effect"
import * as UnixTime from "../runtime/UnixTime.ts"
import { LiveZone } from "./LiveZone.ts"
import { RecordStore } from "./RecordStore.ts"

export class AnswerIndex extends Context.Tag("dnsmesh/zone/AnswerIndex")<AnswerIndex, LiveZone>() {
  static readonly layer = Layer.effect(
    AnswerIndex,
    Effect.gen(function* () {
      const store = yield* RecordStore
      const now = yield* UnixTime.now
      const zone = new LiveZone(now)
      yield* store.fill(zone.memory, now)
      zone.refresh()
      return zone
    })
  )
}
