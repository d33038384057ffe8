import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { unsafeWireKey } from "../../src/wire/Name.ts"
import { hashOf } from "../../src/wire/NameHash.ts"
import { QuestionName } from "../../src/wire/QuestionName.ts"

const label = FastCheck.uint8Array({ minLength: 1, maxLength: 63 })
const wire = (labels: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat([...labels.flatMap((it) => [Buffer.from([it.length]), it]), Buffer.from([0])])
const lower = (octets: Buffer): string =>
  octets.toString("latin1").replace(/[A-Z]/g, (letter) => letter.toLowerCase())

describe("QuestionName", () => {
  const name = new QuestionName()

  it("reads any labels, ASCII letters in lower case and nothing else changed", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(label, { maxLength: 12 }), (labels) => {
        const octets = wire(labels)
        const whole = Buffer.concat([Buffer.alloc(12), octets, Buffer.alloc(4)])
        const end = name.read(whole, 12)
        if (octets.length > 255) return assert.strictEqual(end, -1)
        assert.strictEqual(end, 12 + octets.length - 1)
        const key = unsafeWireKey(lower(octets.subarray(0, -1)))
        assert.strictEqual(name.key, key)
        assert.strictEqual(name.hash, hashOf(key))
        assert.strictEqual(name.labelCount, labels.length)
        const ends = [...name.labels.subarray(0, name.labelCount)].map((at) => key.slice(at))
        for (const [i, at] of ends.entries())
          assert.isTrue(name.isWithin(unsafeWireKey(at), labels.length - i))
      })
    )
  })

  it("lies in no zone whose labels are only its last octets", () => {
    name.read(Buffer.from("\x0aa\x04mesh\x04test\x00", "latin1"), 0)
    assert.isFalse(name.isWithin(unsafeWireKey("\x04mesh\x04test"), 2))
    name.read(Buffer.from("\x01a\x04mesh\x04test\x00", "latin1"), 0)
    assert.isTrue(name.isWithin(unsafeWireKey("\x04mesh\x04test"), 2))
    assert.isFalse(name.isWithin(unsafeWireKey("\x04mash\x04test"), 2))
    assert.isFalse(name.isWithin(unsafeWireKey("\x01b\x01a\x04mesh\x04test"), 4))
  })

  it("reads no name that is cut short, compressed or too long", () => {
    const bad = ["", "\x03ab", "\x03abc", "\xc0\x0c", "\x40", `${"\x01a".repeat(127)}\x01a\x00`]
    for (const octets of bad) assert.strictEqual(name.read(Buffer.from(octets, "latin1"), 0), -1)
    assert.strictEqual(name.read(Buffer.from(`${"\x01a".repeat(127)}\x00`, "latin1"), 0), 254)
    assert.strictEqual(name.labelCount, 127)
  })
})
