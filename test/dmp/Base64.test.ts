import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { decodeLenient, decodeStrict, encode, isCanonical } from "../../src/dmp/Base64.ts"

const text = (octets: Uint8Array | undefined) =>
  octets === undefined ? undefined : Buffer.from(octets).toString("latin1")

describe("decodeStrict", () => {
  it.each([
    ["", ""],
    ["YWJj", "abc"],
    ["YWI=", "ab"],
    ["YQ==", "a"],
    ["+/+/", "\xfb\xff\xbf"]
  ])("takes %j", (given, expected) => assert.strictEqual(text(decodeStrict(given)), expected))

  it.each([
    ["no padding", "YQ"],
    ["too little padding", "YQ="],
    ["too much padding", "YWJj===="],
    ["padding alone", "===="],
    ["three pads", "Y==="],
    ["data after the padding", "YQ==YQ=="],
    ["URL-safe letters", "-_-_"],
    ["a space", "YW Jj"],
    ["a newline at the end", "YWJj\n"],
    ["a newline instead of the last character", "YWJ\n"],
    ["a letter outside ASCII", "YWJé"],
    ["a full-width letter", "YWJ\uff41"],
    ["one left over character", "YWJjY"]
  ])("refuses %s", (_, given) => assert.isUndefined(decodeStrict(given)))

  it("takes unused trailing bits, which are not canonical", () => {
    assert.strictEqual(text(decodeStrict("YR==")), "a")
    assert.isFalse(isCanonical("YR=="))
    assert.isTrue(isCanonical("YQ=="))
    assert.isFalse(isCanonical("YQ"))
  })
})

describe("decodeLenient", () => {
  it.each([
    ["foreign characters", "Y-W J_j\n", "abc"],
    ["data after the padding", "YQ==garbage", "a"],
    ["data after a single pad", "YWI=YWJj", "ab"],
    ["padding apart", "YQ=\n=", "a"],
    ["padding where none can be", "=Y=Q==", "a"]
  ])("skips %s", (_, given, expected) => assert.strictEqual(text(decodeLenient(given)), expected))

  it.each([
    ["no padding", "YQ"],
    ["half the padding", "YQ="],
    ["one left over character", "YWJjY"],
    ["text outside ASCII", "YWJj\u00e9"]
  ])("refuses %s", (_, given) => assert.isUndefined(decodeLenient(given)))
})

describe("both decoders", () => {
  it("give back what was encoded", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const encoded = encode(octets)
        assert.isTrue(isCanonical(encoded))
        assert.strictEqual(text(decodeStrict(encoded)), text(octets))
        assert.strictEqual(text(decodeLenient(encoded)), text(octets))
      })
    ))

  it("agree wherever the strict one decodes, and never throw", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string({ unit: fc.constantFrom(..."AQ+/=- \n") })
        ),
        (given) => {
          const strict = decodeStrict(given)
          const lenient = decodeLenient(given)
          if (strict !== undefined) assert.strictEqual(text(lenient), text(strict))
        }
      ),
      { numRuns: 500 }
    ))
})
