import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { type Contender, type Kind, Turns } from "../../src/peers/Turns.ts"
import * as Name from "../../src/wire/Name.ts"

const kinds: ReadonlyArray<Kind> = ["configured", "first-hand", "hearsay", "listed"]

/** `zones` of one kind that `source` names. */
const crowd = (kind: Kind, source: string, zones: number): ReadonlyArray<Contender> =>
  Array.from({ length: zones }, (_, at) => ({
    zone: Name.unsafeMake(`z${at}.${kind}.${source}.example`),
    kind,
    source
  }))

/** Rounds until `zone` was asked; undefined if it was not within `most`. */
const roundsUntil = (
  turns: Turns,
  zone: string,
  slots: number,
  most: number,
  everybody: (round: number) => ReadonlyArray<Contender>
) => {
  for (let round = 1; round <= most; round++)
    if (turns.next(everybody(round), slots).some((asked) => asked === zone)) return round
  return undefined
}

describe("turns", () => {
  it.effect.prop(
    "reach every known zone within a bounded number of rounds",
    {
      sizes: fc.array(
        fc.record({
          kind: fc.constantFrom(...kinds),
          source: fc.constantFrom("a", "b", "c"),
          zones: fc.integer({ min: 1, max: 40 })
        }),
        { minLength: 1, maxLength: 8 }
      ),
      slots: fc.integer({ min: 1, max: 30 })
    },
    ({ sizes, slots }) =>
      Effect.sync(() => {
        const all = sizes.flatMap(({ kind, source, zones }) => crowd(kind, source, zones))
        const waiting = new Set(all.map(({ zone }) => zone))
        const turns = new Turns()
        // Six turns of a pass hold one of each kind, and its three sources take it in turns.
        const most = Math.ceil((6 * 3 * 40) / slots) + 6
        for (let round = 0; round < most; round++) {
          const asked = turns.next(all, slots)
          assert.isAtMost(asked.length, slots)
          assert.strictEqual(new Set(asked).size, asked.length)
          assert.strictEqual(
            asked.length,
            Math.min(slots, new Set(all.map(({ zone }) => zone)).size),
            "no slot stays empty while somebody waits"
          )
          for (const zone of asked) waiting.delete(zone)
        }
        assert.deepStrictEqual([...waiting], [])
      })
  )

  it.effect.prop(
    "reach an honest zone although ever new ones push in, from few sources or of better kinds",
    {
      flood: fc.integer({ min: 1, max: 80 }),
      liars: fc.integer({ min: 1, max: 4 }),
      slots: fc.integer({ min: 1, max: 30 }),
      firstHand: fc.integer({ min: 0, max: 100 })
    },
    ({ firstHand, flood, liars, slots }) =>
      Effect.sync(() => {
        const honest = crowd("hearsay", "honest", 1)
        const standing = [
          ...crowd("configured", "", 60),
          ...crowd("first-hand", "own", firstHand),
          ...crowd("listed", "", 200)
        ]
        const took = roundsUntil(
          new Turns(),
          "z0.hearsay.honest.example",
          slots,
          Math.ceil((6 * (liars + 1)) / slots) + 1,
          (round) => [
            ...standing,
            ...Array.from({ length: liars }, (_, liar) =>
              crowd("hearsay", `liar${liar}-${round}`, flood).map((one) => ({
                ...one,
                source: `liar${liar}`
              }))
            ).flat(),
            ...honest
          ]
        )
        assert.isDefined(took)
      })
  )

  it.effect("ask everybody in every round while there is room", () =>
    Effect.sync(() => {
      const all = kinds.flatMap((kind) => crowd(kind, "a", 6))
      const turns = new Turns()
      for (let round = 0; round < 5; round++)
        assert.sameMembers(
          [...turns.next(all, 25)],
          all.map(({ zone }) => zone)
        )
    })
  )

  it.effect("take a zone that is known in two ways once, and forget whoever is gone", () =>
    Effect.sync(() => {
      const turns = new Turns()
      const [zone] = crowd("first-hand", "a", 1)
      assert.isDefined(zone)
      assert.deepStrictEqual(turns.next([zone, { ...zone, kind: "hearsay" }], 5), [zone.zone])
      assert.deepStrictEqual(turns.next([], 5), [])
      assert.deepStrictEqual(turns.next([zone], 5), [zone.zone])
    })
  )
})
