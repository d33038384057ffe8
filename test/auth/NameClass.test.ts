/** Classification fails closed: only a full match of a user's shape is a user's name. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as NameClass from "../../src/auth/NameClass.ts"
import * as Subject from "../../src/auth/Subject.ts"

const zones = ["example.com"]
const alice: NameClass.Holder = {
  subject: Subject.unsafeMake("alice@example.com"),
  subjectHash12: "cfa570c653bd"
}
const tagOf = (name: string) => NameClass.classify(NameClass.canonical(name), zones)._tag
const aliceOwns = (name: string) => {
  const named = NameClass.classify(NameClass.canonical(name), zones)
  return named._tag === "Owner" && NameClass.owns(alice, named.by)
}
const [h16, h12] = ["2bd806c97f0e00af", "2bd806c97f0e"]

describe("NameClass", () => {
  it.each([
    "dmp.alice.example.com",
    "DMP.Alice.Example.com.",
    `id-${h16}.example.com`,
    `prekeys.id-${h12}.example.com`,
    `rotate.id-${h16}.example.com`,
    "rotate.dmp.alice.example.com",
    "pk-1.cfa570c653bd.example.com"
  ])("gives %s to alice", (name) => {
    assert.isTrue(aliceOwns(name))
  })

  it.each([
    "dmp.bob.example.com",
    "dmp.alice.sub.example.com",
    `id-${h16}.sub.example.com`,
    "id-0000000000000000.example.com",
    "prekeys.id-000000000000.example.com",
    "pk-1.000000000000.example.com"
  ])("keeps %s from alice", (name) => {
    assert.strictEqual(tagOf(name), "Owner")
    assert.isFalse(aliceOwns(name))
  })

  it.each([
    "slot-0.mb-b2f86d448584.example.com",
    "claim-9.mb-b2f86d448584.example.com",
    "chunk-0001-71e035ace541.example.com",
    "chunk-1023-71e035ace541.sub.example.com"
  ])("has %s in the shared pool", (name) => {
    assert.strictEqual(tagOf(name), "Pool")
  })

  it.each([
    // Outside the served zone the node has no say, whatever the shape.
    "chunk-0001-71e035ace541.evil.org",
    `id-${h16}.example.org`,
    `id-${h16}.evilexample.com`,
    // Shapes that only look like a pool's.
    "slot-1.x.example.com",
    "slot-x.mb-b2f86d448584.example.com",
    "slot-10.mb-b2f86d448584.example.com",
    "slot-.mb-b2f86d448584.example.com",
    "evil.slot-1.mb-b2f86d448584.example.com",
    "slot-1.mb-b2f86d44858.example.com",
    "slot-1.mb-b2f86d4485840.example.com",
    "slot-1.mb-b2f86d44858g.example.com",
    "slot-1.mb-b2f86d448584.bootstrap.evil.com",
    "chunk-1-71e035ace541.example.com",
    "chunk-x.example.com",
    "claim-1.example.com",
    // Names of the operator and of the node.
    `rotate.dmp.id-${h12}.example.com`,
    "rotate.cluster.example.com",
    "cluster.example.com",
    "example.com",
    "-a.example.com",
    `${"a".repeat(64)}.example.com`,
    `id-${h16}`.concat(".com"),
    `id-${h12}.example.com`,
    `prekeys.id-${h16}.example.com`
  ])("leaves %s to the operator", (name) => {
    assert.strictEqual(tagOf(name), "Operator")
  })

  it.each([
    "",
    ".",
    "com",
    "a..example.com",
    "_dnsmesh-heartbeat.example.com",
    "_dmp.example.com",
    "*.example.com",
    "a b.example.com",
    "é.example.com",
    `${"a.".repeat(130)}example.com`
  ])("knows nothing of %j", (name) => {
    assert.strictEqual(tagOf(name), "Unknown")
  })

  it("is not fooled by a letter whose lower case is ASCII", () => {
    // KELVIN SIGN lower-cases to k; only its ASCII twin is a name.
    assert.strictEqual(tagOf("dmp.\u212aim.example.com"), "Unknown")
  })

  it("gives no two subjects of a domain one name, nor any name to a stranger's domain", () => {
    const local = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,8}$/)
    fc.assert(
      fc.property(local, local, fc.constantFrom("example.com", "evil.org"), (a, b, domain) => {
        fc.pre(a !== b || domain !== "example.com")
        const [owner, other] = [
          Subject.unsafeMake(`${a}@example.com`),
          Subject.unsafeMake(`${b}@${domain}`)
        ]
        for (const name of [
          `id-${Subject.hash16(owner)}.example.com`,
          `prekeys.id-${Subject.hash12(owner)}.example.com`,
          `dmp.${a}.example.com`
        ]) {
          const named = NameClass.classify(name, zones)
          if (named._tag === "Owner")
            assert.isFalse(NameClass.owns({ subject: other, subjectHash12: null }, named.by))
        }
      }),
      { numRuns: 200 }
    )
  })
})
