import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { encode } from "dns-packet"
import { fromWireKey, toWireKey, unsafeMake, type WireKey } from "../../src/wire/Name.ts"
import { QueryReader } from "../../src/wire/Query.ts"
import type { QuestionName } from "../../src/wire/QuestionName.ts"
import { NodeTable } from "../../src/zone/NodeTable.ts"

interface Node {
  readonly key: WireKey
  readonly turn: number
}

const reader = new QueryReader()
const asked = (key: WireKey): QuestionName => {
  const name = fromWireKey(key).toUpperCase()
  reader.read(encode({ type: "query", questions: [{ name, type: "TXT" }] }))
  return reader.name
}

const keyOf = (i: number): WireKey => toWireKey(unsafeMake(`chunk-${i}.mb-${i % 7}.mesh.test`))

describe("NodeTable", () => {
  it("holds what a Map would hold, to keys and to questions in any case", () => {
    const steps = FastCheck.array(FastCheck.tuple(FastCheck.boolean(), FastCheck.nat(300)), {
      maxLength: 1500,
      size: "max"
    })
    FastCheck.assert(
      FastCheck.property(steps, (steps) => {
        const table = new NodeTable<Node>()
        const model = new Map<WireKey, Node>()
        for (const [turn, [puts, i]] of steps.entries()) {
          const key = keyOf(i)
          if (puts) {
            table.set({ key, turn })
            model.set(key, { key, turn })
          } else {
            table.delete(key)
            model.delete(key)
          }
        }
        assert.strictEqual(table.size, model.size)
        for (let i = 0; i <= 300; i++) {
          assert.deepStrictEqual(table.get(keyOf(i)), model.get(keyOf(i)))
          assert.deepStrictEqual(table.find(asked(keyOf(i))), model.get(keyOf(i)))
        }
        assert.deepStrictEqual(
          [...table.values()].map(({ turn }) => turn).sort((a, b) => a - b),
          [...model.values()].map(({ turn }) => turn).sort((a, b) => a - b)
        )
      }),
      { numRuns: 30 }
    )
  })

  it("gives every node that stays once, while others come and go", () => {
    const table = new NodeTable<Node>()
    for (let i = 0; i < 400; i++) table.set({ key: keyOf(i), turn: i })
    const seen: Array<number> = []
    let step = 0
    for (const { turn } of table.values()) {
      seen.push(turn)
      // Odd ones go, new ones come into their places and beyond.
      table.delete(keyOf(2 * step + 1))
      table.set({ key: keyOf(1000 + step), turn: 1000 + step })
      step++
    }
    const stayed = seen.filter((turn) => turn < 400 && turn % 2 === 0).sort((a, b) => a - b)
    assert.deepStrictEqual(
      stayed,
      Array.from({ length: 200 }, (_, i) => 2 * i)
    )
  })

  it("finds what stays among many that have gone", () => {
    const table = new NodeTable<Node>()
    for (let i = 0; i < 50_000; i++) table.set({ key: keyOf(i), turn: i })
    for (let i = 0; i < 50_000; i += 2) table.delete(keyOf(i))
    for (let i = 0; i < 50_000; i++)
      assert.strictEqual(table.get(keyOf(i))?.turn, i % 2 === 0 ? undefined : i)
  })
})
