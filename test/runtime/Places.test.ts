import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { type Place, Places } from "../../src/runtime/Places.ts"

describe("Places", () => {
  it("hold what was taken in and not given up", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.integer({ min: -20, max: 20 }), { maxLength: 200 }),
        (steps) => {
          const places = new Places<number>()
          const model = new Set<number>()
          const taken: Array<Place<number>> = []
          for (const step of steps) {
            const place = taken[-step]
            if (step > 0) {
              taken.push(places.take(taken.length))
              model.add(taken.length - 1)
            } else if (place !== undefined)
              assert.strictEqual(places.giveUp(place), model.delete(place.what))
          }
          assert.strictEqual(places.size, model.size)
          assert.deepStrictEqual([...places].sort(), [...model].sort())
        }
      )
    )
  })
})
