import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Metric, TestClock } from "effect"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import * as Stamps from "../../src/zone/Stamps.ts"
import { now, put, start } from "./RecordStoreSuite.ts"

const ahead = Effect.map(
  Metric.value(
    Metric.gauge("dmp_store_stamps_ahead_seconds", {
      description:
        "How far the newest record's place in the order of replication is ahead of the clock"
    })
  ),
  ({ value }) => value
)

/** A store with rows written while the clock was `wrong` ms ahead, watched since it was set. */
const storeAfter = (wrong: number) =>
  Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(RecordStore.layerMemory), RecordStore)
    yield* TestClock.setTime(now * 1000 - 1000)
    yield* store.commit([put("before", "1")])
    yield* TestClock.setTime(now * 1000 + wrong)
    for (let at = 0; at < 4500; at += 500)
      yield* store.commit(Array.from({ length: 500 }, (_, row) => put(`n${at + row}`, "1")))
    return store
  })

/** `back` ms are what the clock has been set back by since; waiting takes as long as ever. */
const watch = (store: RecordStore["Type"], back = () => 0) =>
  Effect.flatMap(Effect.clock, (clock) =>
    Layer.build(Stamps.layer.pipe(Layer.provide(Layer.succeed(RecordStore, store)))).pipe(
      Effect.withClock({
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() - back(),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (time) => time - back()),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      })
    )
  )

const stamps = (store: RecordStore["Type"]) =>
  Effect.map(store.digest(start, 10_000, now), (rows) => rows.map(({ storedTs }) => storedTs))

describe("stamps", () => {
  it.scoped("far ahead of a clock that was set back are brought near it, in their order", () =>
    Effect.gen(function* () {
      const store = yield* storeAfter(30 * 86_400_000)
      const order = (yield* store.digest(start, 10_000, now)).map(({ owner }) => owner)
      yield* TestClock.setTime(now * 1000)
      const built = yield* Effect.fork(watch(store))
      yield* TestClock.adjust("1 second")
      yield* built
      const all = yield* stamps(store)
      assert.lengthOf(all, 4501)
      // What released peers take, and above what they can have read.
      assert.isAtMost(Math.max(...all), now * 1000 + 61_000)
      assert.isAbove(Math.min(...all.slice(1)), now * 1000 + 59_999)
      assert.isAtMost(yield* ahead, 61)
      yield* store.commit([put("later", "1")])
      assert.strictEqual((yield* store.digest(start, 10_000, now)).at(-1)?.owner, "later")
      const after = (yield* store.digest(start, 10_000, now)).map(({ owner }) => owner)
      // Steps keep their order; within one, rows stand by name as those of one commit do.
      for (let step = 1; step < 4501; step += 2000)
        assert.sameMembers(
          after.slice(step, Math.min(4501, step + 2000)),
          order.slice(step, Math.min(4501, step + 2000))
        )
    })
  )

  it.scoped("somewhat ahead are left alone, and shown; a clock set back later is noticed", () =>
    Effect.gen(function* () {
      const store = yield* storeAfter(100_000)
      const before = yield* stamps(store)
      yield* TestClock.setTime(now * 1000)
      let back = 0
      yield* watch(store, () => back)
      assert.deepStrictEqual(yield* stamps(store), before)
      assert.isAtLeast(yield* ahead, 100)
      yield* TestClock.adjust("31 seconds")
      assert.isBelow(yield* ahead, 71)
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(yield* ahead, 0)
      back = 3_600_000
      yield* TestClock.adjust("30 seconds")
      yield* TestClock.adjust("1 second")
      const clock = now * 1000 + 162_000 - back
      assert.isAtMost(Math.max(...(yield* stamps(store))), clock + 61_000)
      assert.isAtMost(yield* ahead, 61)
    })
  )
})
