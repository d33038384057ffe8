import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option } from "effect"
import { canonical, limiterKey } from "../../src/runtime/IpAddress.ts"
import * as TrustedProxies from "../../src/runtime/TrustedProxies.ts"

const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
const spelled = (parts: ReadonlyArray<number>, pad: boolean) =>
  parts.map((part) => part.toString(16).padStart(pad ? 4 : 1, "0")).join(":")

describe("IpAddress", () => {
  it.each([
    ["::FFFF:0102:0304", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["1.2.3.4", "1.2.3.4"]
  ])("spells %s as %s", (text, expected) => {
    assert.deepStrictEqual(canonical(text), Option.some(expected))
  })

  it.each([
    "",
    " 1.1.1.1",
    "1.2.3",
    "0x7f.1",
    "1.2.3.4/8",
    "[::1]",
    "::1::",
    "1.2.3.256",
    "localhost"
  ])("takes %j for no address", (text) => assert.isTrue(Option.isNone(canonical(text))))

  it.prop(
    "gives two spellings of an IPv6 address one form",
    [groups],
    ([parts]) =>
      assert.deepStrictEqual(
        canonical(spelled(parts, true)),
        canonical(spelled(parts, false).toUpperCase())
      ),
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "gives a whole IPv6 /64 one limiter key, and each /64 its own",
    [groups, groups],
    ([a, b]) => {
      const key = (parts: ReadonlyArray<number>) =>
        limiterKey(Option.getOrThrow(canonical(spelled(parts, false))))
      assert.strictEqual(key(a), key([...a.slice(0, 4), ...b.slice(4)]))
      const same = a.slice(0, 4).join() === b.slice(0, 4).join()
      assert.strictEqual(key(a) === key(b), same)
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.each([
    ["::", "0:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["1::", "1:0:0:0::/64"],
    ["::1.2.3.4", "0:0:0:0::/64"],
    ["192.0.2.1", "192.0.2.1"]
  ])("limits %s as %s", (address, key) => assert.strictEqual(limiterKey(address), key))
})

describe("TrustedProxies", () => {
  it("trusts what its networks contain, in either spelling of IPv4", () => {
    const trusts = Either.getOrThrow(
      TrustedProxies.make(["10.0.0.0/8", "192.0.2.7", "::ffff:172.16.0.0/108", "fd00::/8"])
    )
    for (const inside of ["10.255.0.1", "192.0.2.7", "172.31.255.255", "fdff::1"])
      assert.isTrue(trusts(inside), inside)
    for (const outside of ["11.0.0.0", "192.0.2.8", "172.32.0.0", "fe00::1", "::1", "unknown"])
      assert.isFalse(trusts(outside), outside)
  })

  it("trusts nobody when the list is empty", () => {
    assert.isFalse(Either.getOrThrow(TrustedProxies.make([]))("127.0.0.1"))
  })

  it("names every entry that is no network", () => {
    assert.deepStrictEqual(
      TrustedProxies.make([
        "10.0.0.0/33",
        "10.0.0.0/8",
        "x",
        "1.2.3.4/",
        "::/129",
        "::/0/0",
        "fe80::1%0/64"
      ]),
      Either.left(["10.0.0.0/33", "x", "1.2.3.4/", "::/129", "::/0/0", "fe80::1%0/64"])
    )
  })
})
