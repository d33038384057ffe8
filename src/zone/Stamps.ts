/**
 * Watches that the order in which rows are handed to peers stays near the clock. It never turns,
 * so after the clock was set back new rows are stamped as far ahead as it was wrong, and peers
 * that check stamps against their own clock would take none until time has caught up. Rows from
 * such a future are stamped anew, in their order, beyond anything such a peer can have read.
 */
import { Clock, Effect, Layer, Metric, Schedule } from "effect"
import { RecordStore } from "./RecordStore.ts"

/** Milliseconds that released peers grant, and up to which they may have read. */
const granted = 60_000
/** Milliseconds ahead from which it is worth the work. */
const worthwhile = 2 * granted
/** Rows stamped anew in one step. */
const batch = 2000

const ahead = Metric.gauge("dmp_store_stamps_ahead_seconds", {
  description: "How far the newest record's place in the order of replication is ahead of the clock"
})
const restamped = Metric.counter("dmp_store_restamped_total", {
  description:
    "Rows that got another place in the order of replication after the clock was set back",
  incremental: true
})

const check = Effect.gen(function* () {
  const store = yield* RecordStore
  const now = yield* Clock.currentTimeMillis
  const before = (yield* store.newest) - now
  yield* Metric.set(ahead, Math.max(0, before) / 1000)
  if (before <= worthwhile) return
  yield* Effect.logWarning(
    `this machine's clock was set back by ${Math.round(before / 1000)} s or was ahead by as much when records were written: stamping them anew, so that peers go on taking what is new`
  )
  let moved = 0
  // Each step has a stamp of its own: who reads meanwhile is past the earlier ones only.
  for (let stamp = now + granted; ; stamp++) {
    const step = yield* store.restamp(stamp, batch)
    if (step === 0) break
    moved += step
    yield* Effect.sleep("5 millis")
  }
  yield* Metric.incrementBy(restamped, moved)
  const after = (yield* store.newest) - (yield* Clock.currentTimeMillis)
  yield* Metric.set(ahead, Math.max(0, after) / 1000)
  yield* Effect.logWarning(
    `stamped ${moved} rows anew; the newest is ${Math.round(after / 1000)} s ahead`
  )
}).pipe(
  Effect.catchAllCause((cause) => Effect.logError("stamps were not checked", cause)),
  Effect.annotateLogs({ logger: "dmp.server.store" })
)

/** Once before anybody reads, then every half minute. */
export const layer = Layer.scopedDiscard(
  Effect.zipRight(
    Effect.sync(() => {
      ahead.register()
      restamped.register()
    }),
    Effect.zipRight(
      check,
      check.pipe(Effect.delay("30 seconds"), Effect.repeat(Schedule.forever), Effect.forkScoped)
    )
  )
)
