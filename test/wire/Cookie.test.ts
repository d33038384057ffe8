import { assert, describe, it } from "@effect/vitest"
import { octetsOf } from "../../src/runtime/IpAddress.ts"
import * as Cookie from "../../src/wire/Cookie.ts"

const secret = (hex: string) => Cookie.secret(Buffer.from(hex, "hex"))
const first = secret("e5e973e5a6b2a43f48e7dc849e37bfcf")

const minted = (client: string, address: string, now: number, key: Cookie.Secret) => {
  const out = Buffer.alloc(24)
  out.write(client, "hex")
  Cookie.mint(out, 8, octetsOf(address), now, key)
  return out.toString("hex", 8)
}
const verdict = (
  cookie: string,
  address: string,
  now: number,
  ...keys: ReadonlyArray<Cookie.Secret>
) => {
  const octets = Buffer.from(cookie, "hex")
  return Cookie.verify(octets, 8, octets.length - 8, octetsOf(address), now, keys)
}

describe("Cookie", () => {
  // RFC 9018 appendix A.
  it("makes the cookies of the RFC's examples", () => {
    const a = "198.51.100.100"
    const cases = [
      ["2464c4abcf10c957", a, 1559731985, first, "010000005cf79f111f8130c3eee29480"],
      ["2464c4abcf10c957", a, 1559734385, first, "010000005cf7a871d4a564a1442aca77"],
      ["fc93fc62807ddb86", "203.0.113.203", 1559734700, first, "010000005cf7a9acf73a7810aca2381e"],
      [
        "22681ab97d52c298",
        "2001:db8:220:1:59de:d0f4:8769:82b8",
        1559741961,
        secret("445536bcd2513298075a5d379663c962"),
        "010000005cf7c609a6bb79d16625507a"
      ]
    ] as const
    for (const [client, address, now, key, expected] of cases)
      assert.strictEqual(minted(client, address, now, key), expected)
  })

  it("accepts reserved bits that are set, as long as the hash covers them", () => {
    const cookie = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"
    assert.strictEqual(verdict(cookie, "203.0.113.203", 0x5cf78f71, first), "good")
    assert.strictEqual(
      verdict(cookie.replace("abcdef", "abcdee"), "203.0.113.203", 0x5cf78f71, first),
      "bad"
    )
  })

  it("takes a cookie for an hour, asks for a new one after half of it, and none of the future", () => {
    const now = 1559731985
    const cookie = `2464c4abcf10c957010000005cf79f111f8130c3eee29480`
    const at = (seconds: number) => verdict(cookie, "198.51.100.100", now + seconds, first)
    assert.deepStrictEqual([0, 1800, 1801, 3600, 3601, -300, -301].map(at), [
      "good",
      "good",
      "renew",
      "renew",
      "bad",
      "good",
      "bad"
    ])
  })

  it("knows the cookies of every secret, and renews those of another than the first", () => {
    const now = 1559731985
    const cookie = `2464c4abcf10c957010000005cf79f111f8130c3eee29480`
    const other = secret("00".repeat(16))
    assert.strictEqual(verdict(cookie, "198.51.100.100", now, first, other), "good")
    assert.strictEqual(verdict(cookie, "198.51.100.100", now, other, first), "renew")
    assert.strictEqual(verdict(cookie, "198.51.100.100", now, other), "bad")
  })

  it("is bound to the address, to the client's cookie and to every octet of its own", () => {
    const now = 1559731985
    const cookie = Buffer.from("2464c4abcf10c957010000005cf79f111f8130c3eee29480", "hex")
    assert.strictEqual(verdict(cookie.toString("hex"), "198.51.100.101", now, first), "bad")
    for (let at = 0; at < cookie.length; at++) {
      const other = Buffer.from(cookie)
      other.writeUInt8(other.readUInt8(at) ^ 1, at)
      assert.strictEqual(
        verdict(other.toString("hex"), "198.51.100.100", now, first),
        "bad",
        `${at}`
      )
    }
    assert.strictEqual(
      verdict(`${cookie.toString("hex")}00`, "198.51.100.100", now, first),
      "bad",
      "another length"
    )
  })
})
