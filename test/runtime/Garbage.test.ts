import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../src/runtime/Garbage.ts"

describe("a collection on request", () => {
  it.live("takes what nobody holds, and shows nobody the collector", () =>
    Effect.gen(function* () {
      const left = new WeakRef({ some: "thing" })
      // A reference that was read is good to the end of its turn.
      yield* Effect.sleep("1 millis")
      yield* collect
      assert.isUndefined(left.deref())
      assert.notProperty(globalThis, "gc")
    })
  )
})
