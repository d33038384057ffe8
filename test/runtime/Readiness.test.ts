import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { Readiness } from "../../src/runtime/Readiness.ts"

describe("Readiness", () => {
  it.scoped("is the sum of its checks, and shows why not", () =>
    Effect.gen(function* () {
      const readiness = yield* Readiness
      assert.deepStrictEqual(yield* readiness.report, { ready: true, checks: {} })
      yield* readiness.register({ name: "store", run: Effect.void })
      yield* readiness.register({ name: "disk", run: Effect.fail("12 MiB free") })
      yield* readiness.register({ name: "bug", run: Effect.die(new Error("secret")) })
      assert.deepStrictEqual(yield* readiness.report, {
        ready: false,
        checks: { store: "ok", disk: "12 MiB free", bug: "broken" }
      })
    }).pipe(Effect.provide(Readiness.layer))
  )

  it.effect("forgets a check when its scope closes", () =>
    Effect.gen(function* () {
      const readiness = yield* Readiness
      const scope = yield* Scope.make()
      yield* Scope.extend(readiness.register({ name: "x", run: Effect.fail("no") }), scope)
      assert.isFalse((yield* readiness.report).ready)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* readiness.report).ready)
    }).pipe(Effect.provide(Readiness.layer))
  )

  it.effect("is over once draining", () =>
    Effect.gen(function* () {
      const readiness = yield* Readiness
      assert.isFalse(readiness.draining())
      yield* readiness.drain
      assert.isTrue(readiness.draining())
      const { checks, ready } = yield* readiness.report
      assert.deepStrictEqual([ready, checks], [false, { draining: "stopping" }])
    }).pipe(Effect.provide(Readiness.layer))
  )
})
