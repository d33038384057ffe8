import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { encodeTxt } from "../../src/wire/TxtData.ts"
import { textAt, textLength, TxtOctets } from "../../src/wire/TxtOctets.ts"

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc
    .tuple(
      fc.constantFrom("x", "ü", "🌍", "\ud800"),
      fc.constantFrom(0, 1, 84, 127, 254, 255, 256, 510, 511, 5000)
    )
    .map(([char, times]) => char.repeat(times))
)

describe("TxtOctets", () => {
  it("holds each text as the RDATA that stands for it, and gives it back", () => {
    const txt = new TxtOctets()
    fc.assert(
      fc.property(text, (it) => {
        txt.set(it)
        const octets = Buffer.from(txt.words.buffer)
        const rdata = encodeTxt(it)
        assert.deepStrictEqual(octets.subarray(0, txt.length), rdata)
        assert.isTrue(
          octets.subarray(txt.length, (txt.length + 3) & ~3).every((octet) => octet === 0)
        )
        const whole = Buffer.from(it).toString("latin1")
        assert.strictEqual(textAt(octets, 0, txt.length), whole)
        assert.strictEqual(textLength(txt.length), whole.length)
      }),
      { numRuns: 1000 }
    )
  })
})
