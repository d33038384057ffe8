import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { Readiness } from "../../src/runtime/Readiness.ts"
import { RecordStore, StoreError } from "../../src/zone/RecordStore.ts"
import * as StoreReadiness from "../../src/zone/StoreReadiness.ts"

const watching = (probe: Effect.Effect<void, StoreError>) =>
  StoreReadiness.layer.pipe(
    Layer.provide(
      Layer.succeed(RecordStore, {
        commit: () => Effect.void,
        fill: () => Effect.void,
        live: () => Stream.empty,
        sweep: () => Effect.succeed(0),
        digest: () => Effect.succeed([]),
        rowsAt: () => Effect.succeed([]),
        newest: Effect.succeed(0),
        restamp: () => Effect.succeed(0),
        serialMark: Effect.succeed(undefined),
        markSerial: () => Effect.void,
        probe,
        usage: () => Effect.succeed({ databaseBytes: 0, walBytes: 0, expiredRows: 0 })
      })
    ),
    Layer.provideMerge(Readiness.layer)
  )

const store = Effect.flatMap(Readiness, ({ report }) =>
  Effect.map(report, ({ checks }) => checks["store"])
)

describe("StoreReadiness", () => {
  it.effect("says what kind of trouble the store is in, and that it is over", () =>
    Effect.gen(function* () {
      let failing = true
      const probe = Effect.suspend(() =>
        failing ? Effect.fail(new StoreError({ reason: "disk-full", message: "" })) : Effect.void
      )
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* store, "disk-full")
        failing = false
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* store, "ok")
      }).pipe(Effect.provide(watching(probe)))
    })
  )

  it.effect("asks the store once in two seconds however often it is asked", () =>
    Effect.gen(function* () {
      let probes = 0
      const probe = Effect.sync(() => void probes++)
      yield* Effect.gen(function* () {
        for (let i = 0; i < 50; i++) yield* store
        assert.strictEqual(probes, 1)
        yield* TestClock.adjust("2 seconds")
        yield* store
        assert.strictEqual(probes, 2)
      }).pipe(Effect.provide(watching(probe)))
    })
  )

  it.effect("does not wait for a store that does not answer", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.fork(store)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(asking), "slow")
    }).pipe(Effect.provide(watching(Effect.never)))
  )
})
