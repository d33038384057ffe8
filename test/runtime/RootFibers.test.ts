import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import { keepInPlaces } from "../../src/runtime/RootFibers.ts"

const main = new URL("../fixtures/rootFibersMain.ts", import.meta.url).pathname

/** Collections of the whole heap while 600,000 fibers come and go. */
const wholeCollections = (...args: ReadonlyArray<string>) =>
  execFileSync(
    process.execPath,
    ["--trace-gc", "--max-semi-space-size=4", "--no-allocation-site-pretenuring", main, ...args],
    { encoding: "utf8" }
  )
    .split("\n")
    .filter((line) => line.includes("Mark-Compact")).length

describe("root fibers", () => {
  it.effect("are told of until they end", () =>
    Effect.gen(function* () {
      keepInPlaces()
      const before = yield* Fiber.roots
      const fiber = Effect.runFork(Effect.never)
      assert.include(yield* Fiber.roots, fiber)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* Fiber.roots, before)
    })
  )

  it("leave less behind that only a collection of the whole heap takes away", () => {
    assert.isBelow(wholeCollections("places") * 2, wholeCollections())
  })
})
