import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import * as Name from "../../src/wire/Name.ts"

describe("a name", () => {
  it("is one whatever the case and however many dots end it", () => {
    for (const text of ["mesh.test", "MESH.Test", "mesh.test.", "mesh.test..."])
      assert.deepStrictEqual(Name.parse(text), Option.some(Name.unsafeMake("mesh.test")))
  })

  it.each(["\u212a.test", "\u0130.test", "\u017f.test", "ａ.test", "mesh\u3002test"])(
    "is ASCII before its case is folded, as %s is not",
    (text) => {
      assert.deepStrictEqual(Name.parse(text), Option.none())
    }
  )

  it.prop(
    "has one spelling, which is ASCII and which it keeps",
    [fc.array(fc.constantFrom(..."aKz09-_.\u212a\u0130\u00e9\u0000 *"), { maxLength: 12 })],
    ([characters]) => {
      const text = characters.join("")
      const name = Option.getOrUndefined(Name.parse(text))
      if (name === undefined) return
      assert.match(text, /^[\x21-\x7e]+$/)
      assert.strictEqual(name, text.replace(/\.+$/, "").toLowerCase())
      assert.deepStrictEqual(Name.parse(name), Option.some(name))
      assert.strictEqual(Name.fromWireKey(Name.toWireKey(name)), name)
    }
  )
})

describe("a name of nothing but dots", () => {
  it("ends, however many there are before its last letter", () => {
    // Any rule that tries each run of dots anew from each dot takes hours for this.
    const dots = ".".repeat(1_000_000)
    assert.isTrue(Option.isNone(Name.parse(`${dots}x`)))
    assert.deepStrictEqual(Name.parse(`x${dots}`), Option.some(Name.unsafeMake("x")))
    assert.strictEqual(Name.withoutTrailingDots(`${dots}x..`), `${dots}x`)
  })
})
