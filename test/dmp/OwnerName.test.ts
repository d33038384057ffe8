import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { hex12, hex16, isReserved, mailboxOf, recognise } from "../../src/dmp/OwnerName.ts"

const h12 = "0123456789ab"
const h16 = "0123456789abcdef"

describe("recognise", () => {
  it.each([
    [`id-${h16}.example.com`, { _tag: "Identity", hash16: h16, domain: "example.com" }],
    ["dmp.alice.example.com", { _tag: "AnchoredIdentity", domain: "alice.example.com" }],
    [`prekeys.id-${h12}.example.com`, { _tag: "Prekeys", hash12: h12, domain: "example.com" }],
    [`slot-9.mb-${h12}.z.test`, { _tag: "Slot", slot: 9, mailbox: h12, zone: "z.test" }],
    [`chunk-0041-${h12}.z.test`, { _tag: "Chunk", index: 41, message: h12, zone: "z.test" }],
    [`claim-0.mb-${h12}.z.test`, { _tag: "Claim", slot: 0, mailbox: h12, zone: "z.test" }],
    ["cluster.mesh.test", { _tag: "Cluster", name: "mesh.test" }],
    ["_dmp.example.com", { _tag: "Bootstrap", domain: "example.com" }],
    ["_dnsmesh-heartbeat.z.test", { _tag: "Heartbeat", zone: "z.test" }],
    ["_dnsmesh-seen.z.test", { _tag: "Seen", zone: "z.test" }],
    [
      `rotate.id-${h16}.example.com`,
      { _tag: "Rotate", of: { _tag: "Identity", hash16: h16, domain: "example.com" } }
    ],
    [
      "rotate.dmp.example.com",
      { _tag: "Rotate", of: { _tag: "AnchoredIdentity", domain: "example.com" } }
    ],
    ["rotate.cluster.mesh.test", { _tag: "Rotate", of: { _tag: "Cluster", name: "mesh.test" } }],
    [
      "rotate._dmp.example.com",
      { _tag: "Rotate", of: { _tag: "Bootstrap", domain: "example.com" } }
    ]
  ])("reads %s", (owner, expected) => assert.deepStrictEqual<unknown>(recognise(owner), expected))

  it.each([
    "",
    "example.com",
    "cluster",
    "dmp",
    "cluster.",
    `id-${h12}.example.com`,
    `id-${h16}`,
    `prekeys.id-${h16}.example.com`,
    `slot-10.mb-${h12}.z.test`,
    `slot-.mb-${h12}.z.test`,
    `slot-1.mb-${h16}.z.test`,
    `slot-1.mb-${h12}`,
    `evil.slot-1.mb-${h12}.z.test`,
    `claim-007.mb-${h12}.z.test`,
    `chunk-1-${h12}.z.test`,
    `chunk-000001-${h12}.z.test`,
    `chunk-0001-${h12}`,
    `chunk-0001-0123456789xy.z.test`,
    "rotate.example.com",
    `rotate.slot-1.mb-${h12}.z.test`,
    "_dnsmesh-other.z.test"
  ])("knows no shape in %j", (owner) => assert.strictEqual(recognise(owner)._tag, "Other"))

  it("is total", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (owner) => {
        recognise(owner)
        isReserved(owner)
      })
    ))
})

describe("isReserved", () => {
  it.each([
    `slot-123.mb-ab.z.test`,
    `chunk-1-ab.z.test`,
    "mb-ab.z.test",
    "id-0.z.test",
    "prekeys.id-a.z.test",
    "claim-007.mb-ab.z.test",
    "_dnsmesh-anything",
    "cluster.z.test",
    "_dmp.z.test",
    "dmp.z.test",
    "rotate.z.test",
    "ROTATE.z.test"
  ])("claims %s", (owner) => assert.isTrue(isReserved(owner)))

  it.each([
    "z.test",
    "www.z.test",
    "_dmarc.z.test",
    "_acme-challenge.z.test",
    "_dmp-probe.z.test",
    "check.example.com",
    "id-xyz.z.test",
    "slot-x.mb-ab.z.test",
    "clusters.z.test"
  ])("leaves %s", (owner) => assert.isFalse(isReserved(owner)))
})

describe("label hashes", () => {
  it("are those of the registration vectors", () => {
    const name = Buffer.from("alice")
    assert.strictEqual(hex16(name), "2bd806c97f0e00af")
    assert.strictEqual(hex12(name), "2bd806c97f0e")
    const x25519 = Buffer.from(
      "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
      "hex"
    )
    assert.strictEqual(mailboxOf(x25519), "b2f86d448584")
    assert.strictEqual(hex12(x25519), "cfa570c653bd")
  })
})
