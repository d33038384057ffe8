import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { parentKey, toWireKey, unsafeMake, type WireKey } from "../../src/wire/Name.ts"
import { serve, type ServedZone, zoneOf } from "../../src/zone/ServedZones.ts"

const soa = { mname: "ns", rname: "admin", ttl: 1, refresh: 1, retry: 1, expire: 1 }

// Of these the lengths of labels are made too, as octets of a key: 4 is 52, and - is 45.
const label = FastCheck.oneof(
  FastCheck.constantFrom("a", "4", "mesh", "x4"),
  FastCheck.integer({ min: 40, max: 63 }).map((length) => "4".repeat(length))
)
const name = FastCheck.array(label, { minLength: 1, maxLength: 3 }).map((labels) =>
  unsafeMake(labels.join("."))
)

describe("zoneOf", () => {
  it("is the first zone on the way from a name up to the root", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(name, { maxLength: 4 }),
        name,
        name,
        (apexes, below, at) => {
          const zones = new Map<WireKey, ServedZone>(
            [...apexes, at].map((apex) => [toWireKey(apex), serve(apex, soa, 1, [])])
          )
          for (const asked of [below, at, unsafeMake(`${below}.${at}`), unsafeMake(`x${at}`)]) {
            let expected: ServedZone | undefined
            for (let key = toWireKey(asked); key.length > 0; key = parentKey(key))
              expected ??= zones.get(key)
            assert.strictEqual(zoneOf(zones, toWireKey(asked)), expected)
          }
        }
      ),
      { numRuns: 1000 }
    )
  })
})
