/**
 * Deletes expired rows from the store on an interval, in batches small enough that a
 * write never waits long behind one. A failed sweep never stops the next.
 */
import { Duration, Effect, Layer, Metric, Schedule } from "effect"
import { RecordStore } from "./RecordStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const batch = 500

const removedRows = Metric.counter("dmp_cleanup_removed_total", {
  description: "Expired rows deleted from the record store",
  incremental: true
})
const failedSweeps = Metric.counter("dmp_cleanup_failures_total", {
  description: "Sweeps of the record store that failed",
  incremental: true
})
const lastSweep = Metric.gauge("dmp_cleanup_last_success_timestamp_seconds", {
  description: "When the record store was last swept to the end, Unix seconds"
})

/** `interval` between the end of one sweep and the start of the next; the first waits one too. */
export const layer = (interval: Duration.DurationInput) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const store = yield* RecordStore
      const sweep = Effect.gen(function* () {
        const now = yield* UnixTime.now
        let removed = 0
        while (true) {
          const went = yield* store.sweep(now, batch)
          removed += went
          if (went < batch) break
          yield* Effect.sleep("5 millis")
        }
        yield* Metric.incrementBy(removedRows, removed)
        yield* Metric.set(lastSweep, now)
        if (removed > 0) yield* Effect.logInfo(`cleanup worker removed ${removed} expired records`)
      }).pipe(
        Effect.catchAllCause((cause) =>
          Effect.zipRight(Metric.increment(failedSweeps), Effect.logError("sweep failed", cause))
        )
      )
      yield* sweep.pipe(
        Effect.delay(interval),
        Effect.repeat(Schedule.forever),
        Effect.annotateLogs({ logger: "dmp.server.cleanup" }),
        Effect.forkScoped
      )
    })
  )
