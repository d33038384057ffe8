import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { decode, parity } from "../../src/dmp/ReedSolomon.ts"

const coded = (data: Uint8Array) => Buffer.concat([data, parity(data)])

const dataAndErrors = (most: number) =>
  fc.record({
    data: fc.uint8Array({ minLength: 1, maxLength: 223 }),
    errors: fc.uniqueArray(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: most,
      selector: ([at]) => at
    })
  })

const spoiled = (data: Uint8Array, errors: ReadonlyArray<readonly [number, number]>) => {
  const word = coded(data)
  const places = new Set<number>()
  for (const [at, mask] of errors) {
    const place = at % word.length
    if (places.has(place)) continue
    places.add(place)
    word[place] = word[place]! ^ mask
  }
  return word
}

describe("ReedSolomon", () => {
  it("has the generator polynomial that ISO/IEC 18004 lists for 32 parity octets", () => {
    const exponents = [
      10, 6, 106, 190, 249, 167, 4, 67, 209, 138, 138, 32, 242, 123, 89, 27, 120, 185, 80, 156, 38,
      69, 171, 60, 28, 222, 80, 52, 254, 185, 220, 241
    ]
    const powerOfTwo = (exponent: number) => {
      let value = 1
      for (let at = 0; at < exponent; at++) value = value < 128 ? value << 1 : (value << 1) ^ 0x11d
      return value
    }
    // The parity of a single 1 is that polynomial without its leading coefficient.
    assert.deepStrictEqual([...parity(Uint8Array.of(1))], exponents.map(powerOfTwo))
  })

  it("gives back data whose code word has up to 16 wrong octets", () =>
    fc.assert(
      fc.property(dataAndErrors(16), ({ data, errors }) => {
        assert.deepStrictEqual(
          new Uint8Array(decode(spoiled(data, errors)) ?? []),
          new Uint8Array(data)
        )
      }),
      { numRuns: 150 }
    ))

  it("yields nothing but the data of a code word within 16 octets of what it got", () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 40, maxLength: 223 }),
        fc.uint8Array({ minLength: 17, maxLength: 40 }),
        (data, masks) => {
          const word = coded(data)
          masks.forEach((mask, at) => (word[at] = word[at]! ^ mask))
          const read = decode(word)
          if (read === undefined) return
          const near = coded(read).filter((octet, at) => octet !== word[at])
          assert.isAtMost(near.length, 16)
        }
      ),
      { numRuns: 300 }
    ))

  it("decodes segment by segment", () => {
    const first = new Uint8Array(223).fill(1)
    const second = new Uint8Array(5).fill(2)
    const word = Buffer.concat([coded(first), coded(second)])
    word[3] = 9
    word[257] = 9
    assert.deepStrictEqual(decode(word), Buffer.concat([first, second]))
  })

  it("refuses a segment too short to hold data, and never throws", () => {
    assert.isUndefined(decode(new Uint8Array(32)))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (word) => {
        decode(word)
      }),
      { numRuns: 200 }
    )
  })
})
