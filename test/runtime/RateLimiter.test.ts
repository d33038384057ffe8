import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as RateLimiter from "../../src/runtime/RateLimiter.ts"

describe("RateLimiter", () => {
  it.effect("tells what a key has left and when there will be one more", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make({ rate: 0.5, burst: 10 })
      assert.deepStrictEqual(limiter.standing("a"), {
        quota: 10,
        window: 20,
        remaining: 10,
        reset: 2
      })
      assert.isTrue(limiter.allow("a", 4))
      assert.deepInclude(limiter.standing("a"), { remaining: 6, reset: 2 })
      yield* TestClock.adjust("1500 millis")
      assert.deepInclude(limiter.standing("a"), { remaining: 6, reset: 1 })
      yield* TestClock.adjust("500 millis")
      assert.deepInclude(limiter.standing("a"), { remaining: 7, reset: 2 })
      assert.deepInclude(limiter.standing("b"), { remaining: 10 })
    })
  )

  it.effect("says when as many tokens as asked for will be there, and then gives them", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make({ rate: 2, burst: 10 })
      assert.isTrue(limiter.allow("a", 10))
      assert.isFalse(limiter.allow("a", 5))
      assert.strictEqual(limiter.retryAfter("a"), 1)
      assert.strictEqual(limiter.retryAfter("a", 5), 3)
      yield* TestClock.adjust("2 seconds")
      assert.isFalse(limiter.allow("a", 5))
      yield* TestClock.adjust("1 second")
      assert.isTrue(limiter.allow("a", 5))
      // More than it can ever hold is never there; what it can hold is.
      assert.strictEqual(limiter.retryAfter("a", 1000), 5)
    })
  )

  it.effect("has no standing where there is no limit", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make({ rate: 0, burst: 10 })
      assert.isTrue(limiter.allow("a", 1_000_000))
      assert.isUndefined(limiter.standing("a"))
    })
  )
})
