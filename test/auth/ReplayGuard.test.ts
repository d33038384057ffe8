import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import * as ReplayGuard from "../../src/auth/ReplayGuard.ts"

const request = (octet: number, timeSigned = 0) => ({
  mac: new Uint8Array(32).fill(octet),
  timeSigned
})

const counted = (capacity?: number) =>
  Effect.map(ReplayGuard.make<number>(capacity), (guard) => {
    let runs = 0
    const once = Effect.sync(() => ++runs)
    return {
      guard,
      runs: () => runs,
      send: (one: ReturnType<typeof request>, lasts = true) => guard.guard(one, once, () => lasts)
    }
  })

describe("the replay guard", () => {
  it.effect("runs a request once and repeats its outcome", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted()
      assert.deepStrictEqual(yield* send(request(1)), { outcome: 1, replayed: false })
      assert.deepStrictEqual(yield* send(request(1)), { outcome: 1, replayed: true })
      assert.deepStrictEqual(yield* send(request(2)), { outcome: 2, replayed: false })
      assert.strictEqual(runs(), 2)
    })
  )

  it.effect("makes a repetition wait while the first still runs", () =>
    Effect.gen(function* () {
      const guard = yield* ReplayGuard.make<string>()
      const gate = yield* Deferred.make<string>()
      let runs = 0
      const slow = Effect.zipRight(
        Effect.sync(() => runs++),
        Deferred.await(gate)
      )
      const sent = guard.guard(request(1), slow, () => true)
      const fibers = yield* Effect.all([Effect.fork(sent), Effect.fork(sent), Effect.fork(sent)])
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, "done")
      const outcomes = yield* Fiber.join(Fiber.all(fibers))
      assert.deepStrictEqual(
        outcomes.map((one) => one.outcome),
        ["done", "done", "done"]
      )
      assert.strictEqual(runs, 1)
    })
  )

  it.effect("forgets what did not last, and what died", () =>
    Effect.gen(function* () {
      const { guard, runs, send } = yield* counted()
      yield* send(request(1), false)
      yield* send(request(1), true)
      assert.strictEqual(runs(), 2)
      const dead = yield* Effect.exit(guard.guard(request(2), Effect.die("bug"), () => true))
      assert.isTrue(Exit.isFailure(dead))
      assert.deepInclude(yield* send(request(2)), { replayed: false })
    })
  )

  it.effect("remembers for as long as the message would be accepted", () =>
    Effect.gen(function* () {
      const { guard, send } = yield* counted()
      // Signed by a clock 300 s ahead: acceptable until second 600.
      yield* send(request(1, 300))
      yield* TestClock.setTime(600_000)
      yield* send(request(2, 600))
      assert.deepInclude(yield* send(request(1, 300)), { replayed: true })
      yield* TestClock.setTime(601_000)
      yield* send(request(3, 601))
      assert.strictEqual(guard.size(), 2)
    })
  )

  it.effect("holds no more than its capacity, the oldest going first", () =>
    Effect.gen(function* () {
      const { guard, send } = yield* counted(3)
      for (const octet of [1, 2, 3, 4]) yield* send(request(octet))
      assert.strictEqual(guard.size(), 3)
      assert.deepInclude(yield* send(request(4)), { replayed: true })
      assert.deepInclude(yield* send(request(1)), { replayed: false })
    })
  )
})
