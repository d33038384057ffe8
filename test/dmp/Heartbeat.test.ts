import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { createHash } from "node:crypto"
import * as Base64 from "../../src/dmp/Base64.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import * as Octets from "../../src/dmp/Octets.ts"
import { accepted, heartbeat, now, reason, seed, spk } from "./samples.ts"

const golden: Heartbeat.Heartbeat = {
  endpoint: "https://node.example.com",
  operatorSpk: spk,
  version: "0.7.5",
  capabilities: 1,
  zone: "example.com",
  ts: 1_750_000_000,
  exp: 1_750_086_400
}
const goldenWire =
  "v=dmp1;t=heartbeat;RE1QSEIwMwAYaHR0cHM6Ly9ub2RlLmV4YW1wbGUuY29tA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgFMC43LjUAAQtl" +
  "eGFtcGxlLmNvbQAAAABoTuGAAAAAAGhQMwAmUBK9u1toW0EFqyfvux2ijEkN20kvzlB4Nm9W093VQKyt4nbh7HC6/fk5V5vD7/2exCAWqIDFuBAfEwK5Gp8L"

/** A heartbeat of any body, soundly signed. */
const signed = (...parts: ReadonlyArray<Uint8Array>) => {
  const body = Octets.concat(...parts)
  return "v=dmp1;t=heartbeat;" + Base64.encode(Octets.concat(body, Ed25519.sign(seed, body)))
}
const magic = (version: string) => Octets.text(`DMPHB${version}`)
const times = (ts: number, exp: number) => Octets.concat(Octets.time(ts), Octets.time(exp))
const upToZone = Octets.concat(
  Octets.text16("https://node.example.com"),
  spk,
  Octets.text8("0.4.4"),
  Octets.u16(0x8001)
)

describe("the golden heartbeat", () => {
  it("is signed to the octet", () => {
    const text = accepted(Heartbeat.sign(golden, seed))
    assert.strictEqual(text, goldenWire)
    assert.strictEqual(
      createHash("sha256").update(text).digest("hex"),
      "f184289d1a27444805e576780da7afcc373a47b5f7c7066da459bae7bf8ad9a1"
    )
  })

  it("is valid from 300 s before its time to 300 s after, and not a second longer", () => {
    for (const at of [1_749_999_700, 1_750_000_000, 1_750_000_300])
      assert.strictEqual(accepted(Heartbeat.verify(goldenWire, at)).zone, "example.com")
    for (const at of [1_749_999_699, 1_750_000_301])
      assert.strictEqual(reason(Heartbeat.verify(goldenWire, at)), "clock-skew")
  })

  it("is valid to the last second before its expiry when it was relayed", () => {
    const at = (second: number) => Heartbeat.verify(goldenWire, second, Heartbeat.relayedSkew)
    assert.strictEqual(reason(at(1_750_086_399)), "accepted")
    assert.strictEqual(reason(at(1_750_086_400)), "expired")
    assert.strictEqual(reason(at(1_749_999_699)), "clock-skew")
  })
})

describe("Heartbeat.verify", () => {
  it("takes an expiry 30 days ahead, not a second more", () => {
    const until = (exp: number) =>
      reason(Heartbeat.verify(accepted(Heartbeat.sign({ ...heartbeat, exp }, seed)), now))
    assert.strictEqual(until(now + 2_592_000), "accepted")
    assert.strictEqual(until(now + 2_592_001), "too-far-future")
  })

  it("reads the form of 0.4, which names no zone, and keeps reserved capability bits", () => {
    const text = signed(magic("02"), upToZone, times(now, now + 60))
    const read = accepted(Heartbeat.verify(text, now))
    assert.strictEqual(read.zone, "")
    assert.strictEqual(read.version, "0.4.4")
    assert.strictEqual(read.capabilities, 0x8001)
  })

  it("refuses the form before that", () =>
    assert.strictEqual(
      reason(Heartbeat.verify(signed(magic("01"), upToZone, times(now, now + 60)), now)),
      "structure"
    ))

  it("refuses bytes after the expiry, a missing zone, and an expiry not after the time", () => {
    const zone = Octets.text8("example.com")
    for (const text of [
      signed(magic("03"), upToZone, zone, times(now, now + 60), Octets.u8(0)),
      signed(magic("03"), upToZone, times(now, now + 60)),
      signed(magic("02"), upToZone, zone, times(now, now + 60)),
      signed(magic("03"), upToZone, zone, times(now, now)),
      signed(magic("03"), upToZone, Octets.text8("z".repeat(65)), times(now, now + 60))
    ])
      assert.strictEqual(reason(Heartbeat.verify(text, now)), "structure")
  })

  it("leaves the zone's text to the reader, as released nodes do", () => {
    const text = signed(magic("03"), upToZone, Octets.text8("a b\n.."), times(now, now + 60))
    assert.strictEqual(accepted(Heartbeat.verify(text, now)).zone, "a b\n..")
  })

  it("refuses more than 1200 characters before decoding them", () =>
    assert.strictEqual(
      reason(Heartbeat.parse(`v=dmp1;t=heartbeat;${"A".repeat(1184)}`)),
      "too-long"
    ))
})

describe("Heartbeat.sign", () => {
  it.each<[string, Partial<Heartbeat.Heartbeat>]>([
    ["an endpoint with a path", { endpoint: "https://node.example.com/" }],
    ["an upper-case endpoint", { endpoint: "https://Node.example.com" }],
    ["a private endpoint", { endpoint: "http://10.0.0.1:8053" }],
    ["a long version", { version: "v".repeat(33) }],
    ["a version outside ASCII", { version: "é" }],
    ["capabilities above 16 bits", { capabilities: 0x10000 }],
    ["a long zone", { zone: "z".repeat(65) }],
    ["a zone with a space", { zone: "example com" }],
    ["an expiry that is not after the time", { exp: heartbeat.ts }],
    ["a fractional time", { ts: now + 0.5 }],
    ["a short key", { operatorSpk: spk.subarray(1) }]
  ])("refuses %s", (_, change) =>
    assert.strictEqual(reason(Heartbeat.sign({ ...heartbeat, ...change }, seed)), "structure")
  )

  it("refuses the seed of another key, and what is no seed", () => {
    for (const wrong of [new Uint8Array(32).fill(9), seed.subarray(1)])
      assert.deepStrictEqual(
        Either.isLeft(Heartbeat.sign(heartbeat, wrong)) && reason(Heartbeat.sign(heartbeat, wrong)),
        "signer-mismatch"
      )
  })
})
