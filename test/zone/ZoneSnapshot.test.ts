import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"
import type { ZoneSnapshot } from "../../src/zone/ZoneSnapshot.ts"

// Few names and values, some below others, so that changes meet.
const owners = ["a", "b", "x.a", "y.a", "z.y.a", "c.d.e", "d.e"].map((it) => unsafeMake(`${it}.t`))

const change: fc.Arbitrary<RowChange> = fc
  .tuple(fc.boolean(), fc.constantFrom(...owners), fc.constantFrom("1", "2", "3"))
  .map(([put, owner, value]) =>
    put
      ? { _tag: "Put", row: { owner, value, ttl: 1, createdAt: 0, expiresAt: 4e9 } }
      : { _tag: "Remove", owner, value }
  )

type Step = RowChange | "read" | "open"
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: change },
  { weight: 3, arbitrary: fc.constant("read" as const) },
  { weight: 1, arbitrary: fc.constant("open" as const) }
)

const held = (zone: LiveZone): ReadonlyArray<string> =>
  [...zone.entries()].flatMap(([key, { txts }]) => txts.map(({ octets }) => `${key} ${octets}`))

/** A snapshot being read, and what it has to show. */
class Reading {
  readonly #snapshot: ZoneSnapshot
  readonly #expected: ReadonlyArray<string>
  readonly #read: Array<string> = []
  done = false

  constructor(zone: LiveZone) {
    this.#expected = held(zone)
    this.#snapshot = zone.snapshot()
  }

  next(): void {
    const rrset = this.#snapshot.next()
    if (rrset === undefined) this.done = true
    else this.#read.push(...rrset.values.map((octets) => `${rrset.key} ${octets}`))
  }

  check(): void {
    while (!this.done) this.next()
    this.#snapshot.close()
    assert.deepStrictEqual([...this.#read].sort(), [...this.#expected].sort())
  }
}

describe("ZoneSnapshot", () => {
  it("shows each value of its moment once, whatever comes, goes and comes back meanwhile", () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 20 }),
        fc.array(step, { maxLength: 60 }),
        (before, steps) => {
          const zone = new LiveZone(0)
          zone.apply(before)
          const readings = [new Reading(zone)]
          for (const it of steps)
            if (it === "open") readings.push(new Reading(zone))
            else if (it === "read") for (const reading of readings) reading.next()
            else zone.apply([it])
          for (const reading of readings) reading.check()
        }
      ),
      { numRuns: 5000 }
    )
  })
})
