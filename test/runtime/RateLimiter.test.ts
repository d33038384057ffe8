import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, FastCheck, TestClock } from "effect"
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

  it("forgets whoever asked longest ago when there are too many, and nobody else", () => {
    const steps = FastCheck.array(
      FastCheck.tuple(
        FastCheck.constantFrom("a", "b", "c", "d", "e", "f", "g"),
        FastCheck.constantFrom("allow", "allow", "allow", "forget"),
        FastCheck.nat(3)
      ),
      { maxLength: 200 }
    )
    FastCheck.assert(
      FastCheck.property(steps, FastCheck.integer({ min: 1, max: 5 }), (steps, maxKeys) => {
        let nanos = 0n
        const clock = { ...Clock.make(), unsafeCurrentTimeNanos: () => nanos }
        const limiter = RateLimiter.make({ rate: 1, burst: 3, maxKeys }).pipe(
          Effect.withClock(clock),
          Effect.runSync
        )
        // The entries of a map in order of last use.
        const model = new Map<string, { tokens: number; at: bigint }>()
        let evicted = 0
        for (const [key, step, seconds] of steps) {
          nanos += BigInt(seconds) * 1_000_000_000n
          if (step === "forget") {
            limiter.forget(key)
            model.delete(key)
          } else {
            const held = model.get(key) ?? { tokens: 3, at: nanos }
            const [oldest] = model.keys()
            if (!model.delete(key) && model.size >= maxKeys && oldest !== undefined) {
              model.delete(oldest)
              evicted++
            }
            const tokens = Math.min(3, held.tokens + Number(nanos - held.at) / 1e9)
            const allowed = tokens >= 1
            model.set(key, { tokens: allowed ? tokens - 1 : tokens, at: nanos })
            assert.strictEqual(limiter.allow(key), allowed)
          }
          assert.strictEqual(limiter.size(), model.size)
          assert.strictEqual(limiter.evicted(), evicted)
        }
      })
    )
  })
})
