import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { KeyOctets } from "../../src/wire/KeyOctets.ts"
import { parentKey, parse, toWireKey } from "../../src/wire/Name.ts"
import { hashOf } from "../../src/wire/NameHash.ts"

const text = (key: KeyOctets): string =>
  Buffer.from(key.words.buffer).toString("latin1", 0, key.length)

const char = fc.constantFrom(..."abzAZ09-_.é \u212a\0".split(""))
const anything = fc.oneof(
  fc.array(char, { maxLength: 12 }).map((chars) => chars.join("")),
  fc
    .array(
      fc.constantFrom("a", "b-c", "_dmp", "x".repeat(63), "y".repeat(64), "MiXed", "-a", "a-"),
      {
        maxLength: 6
      }
    )
    .map((labels) => labels.join("."))
)

describe("KeyOctets", () => {
  it("takes exactly the names that can be parsed, as their wire keys, and their hashes", () => {
    const key = new KeyOctets()
    fc.assert(
      fc.property(anything, fc.constantFrom("", ".", ".."), (name, dots) => {
        const parsed = Option.getOrUndefined(parse(name + dots))
        assert.strictEqual(key.setName(name + dots), parsed !== undefined, name)
        if (parsed === undefined) return
        const expected = toWireKey(parsed)
        assert.strictEqual(text(key), expected)
        assert.strictEqual(key.hash, hashOf(expected))
        const padding = Buffer.from(key.words.buffer).subarray(key.length, (key.length + 3) & ~3)
        assert.isTrue(padding.every((octet) => octet === 0))
        for (let at = parentKey(expected); at.length > 0; at = parentKey(at)) {
          assert.isTrue(key.up())
          assert.strictEqual(text(key), at)
          assert.strictEqual(key.hash, hashOf(at))
        }
        assert.isFalse(key.up())
      }),
      { numRuns: 5000 }
    )
  })
})
