import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { isLowOrder, publicKey, sign, verify } from "../../src/dmp/Ed25519.ts"
import { seed, spk } from "./samples.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"))

const lowOrder = [
  "00".repeat(32),
  `${"00".repeat(31)}80`,
  `01${"00".repeat(31)}`,
  `01${"00".repeat(30)}80`,
  ...["ec", "ed", "ee"].flatMap((first) => [
    `${first}${"ff".repeat(30)}7f`,
    `${first}${"ff".repeat(30)}ff`
  ]),
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
]

describe("Ed25519", () => {
  it("signs as RFC 8032 §7.1 test 2 does", () => {
    const key = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    const signature = sign(key, hex("72"))
    assert.deepStrictEqual(
      new Uint8Array(publicKey(key)),
      hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    )
    assert.deepStrictEqual(
      new Uint8Array(signature),
      hex(
        `92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00`
      )
    )
    assert.isTrue(verify(publicKey(key), hex("72"), signature))
    assert.isFalse(verify(publicKey(key), hex("73"), signature))
  })

  it.each(lowOrder)("refuses the small-order key %s", (text) => {
    const key = hex(text)
    assert.isTrue(isLowOrder(key))
    // R = the identity, S = 0 satisfies the equation for a key of order one, whatever was signed.
    const forged = hex(`01${"00".repeat(31)}${"00".repeat(32)}`)
    assert.isFalse(verify(key, hex("616263"), forged))
  })

  it("knows fourteen of them, and no honest key", () => {
    assert.strictEqual(new Set(lowOrder).size, 14)
    assert.isFalse(isLowOrder(spk))
  })

  it("refuses a signature whose S was moved by the group order", () => {
    const message = hex("616263")
    const signature = sign(seed, message)
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + order
    const moved = Buffer.concat([
      signature.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()
    ])
    assert.isTrue(verify(spk, message, signature))
    assert.isFalse(verify(spk, message, moved))
  })

  it("answers false, never throws, for keys and signatures of any length and content", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 32, maxLength: 32 })),
        fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ minLength: 64, maxLength: 64 })),
        (key, signature) => assert.isFalse(verify(key, hex("00"), signature))
      )
    ))
})
