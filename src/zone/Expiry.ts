/** Takes values out of the answer index in the second their life ends, and says so. */
import { Clock, Effect, Layer, Schedule } from "effect"
import { fromWireKey } from "../wire/Name.ts"
import { AnswerIndex } from "./AnswerIndex.ts"
import { ChangeFeed } from "./ChangeFeed.ts"
import { toText } from "./LiveZone.ts"

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const zone = yield* AnswerIndex
    const feed = yield* ChangeFeed
    yield* Clock.currentTimeMillis.pipe(
      Effect.map((now) => zone.expire(Math.floor(now / 1000))),
      Effect.map((ended) => {
        if (ended.length > 0)
          feed.unsafeEmit({
            cause: "expiry",
            changes: ended.map(({ key, octets }) => ({
              _tag: "Remove",
              owner: fromWireKey(key),
              value: toText(octets)
            })),
            content: ended
          })
      }),
      Effect.catchAllCause((cause) => Effect.logError("expiry failed", cause)),
      Effect.repeat(Schedule.spaced("1 second")),
      Effect.forkScoped
    )
  })
)
