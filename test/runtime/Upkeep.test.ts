import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, TestClock } from "effect"
import * as Upkeep from "../../src/runtime/Upkeep.ts"

const task = (
  name: Upkeep.TaskName,
  step: Effect.Effect<number, { readonly reason: string }>
): Upkeep.Task => ({ name, every: "1 minute", step })

/** The value of a series over all tests of this file. */
const count = (metric: string, name: Upkeep.TaskName) =>
  Effect.map(Metric.snapshot, (all) =>
    all
      .filter(
        ({ metricKey }) =>
          metricKey.name === metric && metricKey.tags.some(({ value }) => value === name)
      )
      .map(({ metricState }) =>
        "count" in metricState
          ? Number(metricState.count)
          : "value" in metricState
            ? Number(metricState.value)
            : Number.NaN
      )
      .reduce((sum, value) => sum + value, 0)
  )

describe("upkeep", () => {
  it.scoped("does a task in steps until nothing is left, then waits for its next time", () =>
    Effect.gen(function* () {
      const left = [500, 500, 20]
      let asked = 0
      yield* Layer.build(
        Upkeep.layer([
          task(
            "tokens",
            Effect.sync(() => {
              asked++
              return left.shift() ?? 0
            })
          )
        ])
      )
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(asked, 0)
      yield* TestClock.adjust("1 second")
      // Others come between two steps.
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(asked, 4)
      assert.strictEqual(yield* count("dmp_upkeep_done_total", "tokens"), 1020)
      assert.isAtLeast(yield* count("dmp_upkeep_last_success_timestamp_seconds", "tokens"), 60)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked, 5)
    })
  )

  it.scoped("lets no task that fails or dies stop its own next time or another task", () =>
    Effect.gen(function* () {
      let failing = 0
      let dying = 0
      let sound = 0
      const steps = (count: () => void) => Effect.sync(count).pipe(Effect.as(0))
      yield* Layer.build(
        Upkeep.layer([
          task(
            "audit",
            Effect.zipRight(
              steps(() => failing++),
              Effect.fail({ reason: "disk-full" })
            )
          ),
          task(
            "vacuum",
            Effect.zipRight(
              steps(() => dying++),
              Effect.dieMessage("a defect")
            )
          ),
          task(
            "checkpoint",
            steps(() => sound++)
          )
        ])
      )
      for (let minute = 0; minute < 3; minute++) yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([failing, dying, sound], [3, 3, 3])
      assert.strictEqual(yield* count("dmp_upkeep_failures_total", "audit"), 3)
      assert.strictEqual(yield* count("dmp_upkeep_failures_total", "vacuum"), 3)
      assert.strictEqual(yield* count("dmp_upkeep_last_success_timestamp_seconds", "audit"), 0)
    })
  )
})
