/** The node is ready only while its store would make a write durable. */
import { Effect, Layer } from "effect"
import { Readiness } from "../runtime/Readiness.ts"
import { RecordStore } from "./RecordStore.ts"

/** The store is asked at most this often, however often the node is. */
const freshness = "2 seconds"
const patience = "2 seconds"

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const store = yield* RecordStore
    const run = yield* Effect.cachedWithTTL(
      store.probe.pipe(
        Effect.mapError(({ reason }) => reason),
        Effect.timeoutFail({ duration: patience, onTimeout: () => "slow" })
      ),
      freshness
    )
    yield* readiness.register({ name: "store", run })
  })
)
