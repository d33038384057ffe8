import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Worker } from "node:worker_threads"
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

  it.live("does no harm to other threads that ask for one at the same moment", () =>
    Effect.gen(function* () {
      const one = Effect.async<unknown>((resume) => {
        const worker = new Worker(new URL("../fixtures/garbageThread.ts", import.meta.url))
        const say = (what: unknown) => resume(Effect.succeed(what))
        worker.once("message", say).once("error", say)
      })
      const said = yield* Effect.all([one, one, one, one], { concurrency: "unbounded" })
      assert.deepStrictEqual(said, ["done", "done", "done", "done"])
    })
  )
})
