import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { encode } from "dns-packet"
import { fromWireKey, toWireKey, unsafeMake, type WireKey } from "../../src/wire/Name.ts"
import { QueryReader } from "../../src/wire/Query.ts"
import type { QuestionName } from "../../src/wire/QuestionName.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"

const reader = new QueryReader()
const asked = (key: WireKey): QuestionName => {
  const name = fromWireKey(key).toUpperCase()
  reader.read(encode({ type: "query", questions: [{ name, type: "TXT" }] }))
  return reader.name
}

const keyOf = (i: number): WireKey => toWireKey(unsafeMake(`chunk-${i}.mb-${i % 7}.mesh.test`))
const put = (i: number, value = "v"): RowChange => ({
  _tag: "Put",
  row: { owner: fromWireKey(keyOf(i)), value, ttl: 1, createdAt: 0, expiresAt: 4e9 }
})
const remove = (i: number, value = "v"): RowChange => ({
  _tag: "Remove",
  owner: fromWireKey(keyOf(i)),
  value
})

/** What the zone holds at the name of a question. */
const answer = (zone: LiveZone, name: QuestionName): ReadonlyArray<string> => {
  const node = zone.nodeOf(name)
  if (node === 0) return []
  const at = zone.first(node)
  const start = zone.rdataStart(at) + 1
  return [zone.octets.toString("latin1", start, start + zone.rdataLength(at) - 1)]
}

describe("NodeTable", () => {
  it("holds what a Map would hold, to keys and to questions in any case", () => {
    const steps = FastCheck.array(FastCheck.tuple(FastCheck.boolean(), FastCheck.nat(300)), {
      maxLength: 1500,
      size: "max"
    })
    FastCheck.assert(
      FastCheck.property(steps, (steps) => {
        const zone = new LiveZone(0)
        const model = new Map<WireKey, string>()
        for (const [turn, [puts, i]] of steps.entries()) {
          const held = model.get(keyOf(i))
          if (held !== undefined) zone.apply([remove(i, held)])
          model.delete(keyOf(i))
          if (!puts) continue
          zone.apply([put(i, String(turn))])
          model.set(keyOf(i), String(turn))
        }
        for (let i = 0; i <= 300; i++) {
          const held = model.get(keyOf(i))
          const expected = held === undefined ? [] : [held]
          const found = zone.find(keyOf(i))?.txts.map(({ octets }) => octets) ?? []
          assert.deepStrictEqual(found, expected)
          assert.deepStrictEqual(answer(zone, asked(keyOf(i))), expected)
        }
        const names = [...zone.nodes()].filter(({ txts }) => txts.length > 0).map(({ key }) => key)
        assert.deepStrictEqual(names.sort(), [...model.keys()].sort())
      }),
      { numRuns: 30 }
    )
  })

  it("gives every node that stays once, while others come and go", () => {
    const zone = new LiveZone(0)
    for (let i = 0; i < 400; i++) zone.apply([put(i)])
    const seen: Array<string> = []
    let step = 0
    for (const { key, txts } of zone.nodes()) {
      if (txts.length > 0) seen.push(key)
      // Odd ones go, new ones come into their places and beyond.
      zone.apply([remove(2 * step + 1), put(1000 + step)])
      step++
    }
    const staying = Array.from({ length: 200 }, (_, i) => keyOf(2 * i))
    assert.deepStrictEqual(
      seen.filter((key) => staying.includes(key as WireKey)).sort(),
      staying.sort()
    )
    assert.strictEqual(new Set(seen).size, seen.length)
  })

  it("finds what stays among many that have gone", () => {
    const zone = new LiveZone(0)
    const all = Array.from({ length: 50_000 }, (_, i) => i)
    zone.apply(all.map((i) => put(i)))
    zone.apply(all.filter((i) => i % 2 === 0).map((i) => remove(i)))
    for (const i of all) assert.strictEqual(zone.find(keyOf(i)) === undefined, i % 2 === 0)
  })
})
