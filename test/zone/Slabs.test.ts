import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Arena, firstPage, pageOctets, type Ref } from "../../src/zone/Arena.ts"
import { Slabs } from "../../src/zone/Slabs.ts"

interface Taken {
  readonly at: Ref
  readonly octets: number
  readonly fill: number
}

/** An arena in use, each place of which holds what was written there. */
class Use {
  readonly arena = new Arena()
  readonly slabs = new Slabs(this.arena)
  readonly taken: Array<Taken> = []
  #turn = 0

  take(octets: number): void {
    const at = this.slabs.take(octets)
    const fill = ++this.#turn & 255
    this.arena.octets.fill(fill, at * 8, at * 8 + octets)
    this.taken.push({ at, octets, fill })
  }

  give(index: number): void {
    const [one] = this.taken.splice(index % this.taken.length, 1)
    if (one === undefined) return
    this.check(one)
    this.slabs.give(one.at)
  }

  check({ at, fill, octets }: Taken): void {
    const held = this.arena.octets.subarray(at * 8, at * 8 + octets)
    if (!held.every((octet) => octet === fill)) assert.fail(`${octets} octets at ${at} were lost`)
  }

  get pages(): number {
    return this.slabs.pages.top - firstPage
  }
}

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 600 }) },
  { weight: 2, arbitrary: fc.integer({ min: 600, max: pageOctets + 100 }) },
  { weight: 1, arbitrary: fc.integer({ min: pageOctets, max: 40 * pageOctets }) }
)
const step = fc.oneof(
  size.map((octets) => ({ take: true as const, octets })),
  fc.nat().map((index) => ({ take: false as const, index }))
)

describe("Slabs", () => {
  it("gives no place to two at once, whatever is taken and given back", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
        const use = new Use()
        for (const it of steps)
          if (it.take) use.take(it.octets)
          else if (use.taken.length > 0) use.give(it.index)
        for (const one of use.taken) use.check(one)
        while (use.taken.length > 0) use.give(7)
        assert.strictEqual(use.pages, 0, "all pages are free again")
      }),
      { numRuns: 150 }
    )
  })

  it("takes no more pages for one size after another than the largest needed", () => {
    const use = new Use()
    for (const octets of [40, 300, 1300, 5000, 100, 20_000, 64, 2000, 512]) {
      while (use.taken.length > 0) use.give(use.taken.length - 1)
      for (let all = 0; all < 400_000; all += octets) use.take(octets)
      assert.isBelow(use.pages, (400_000 / pageOctets) * 1.7, `after places of ${octets}`)
    }
  })

  it("grows the buffer, and another who reads it sees what has come", () => {
    const use = new Use()
    const other = new Arena(use.arena.memory, false)
    use.take(9_000_000)
    const [{ at, fill } = { at: 0, fill: 0 }] = use.taken
    const seen = other.begin()
    assert.strictEqual(other.octets[at * 8 + 8_999_999], fill)
    assert.isTrue(other.unchanged(seen))
    use.arena.lock()
    use.arena.unlock()
    assert.isFalse(other.unchanged(seen))
  })
})
