import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Claim from "../../src/dmp/Claim.ts"
import { verifyRecord } from "../../src/dmp/ImportCheck.ts"
import * as Record from "../../src/dmp/Record.ts"
import {
  accepted,
  claim,
  cluster,
  fill,
  identity,
  now,
  otherSpk,
  reason,
  rotation,
  samples,
  seed,
  spk
} from "./samples.ts"

const at = (value: string, owner = "x.example.com", pinned?: Uint8Array, clock = now) =>
  reason(verifyRecord(value, owner, pinned, clock))

const flipped = (type: Record.RecordType) => {
  const blob = Buffer.from(samples[type].slice(Record.prefixes[type].length), "base64")
  const last = blob.length - 1
  blob[last] = blob[last]! ^ 1
  return Record.prefixes[type] + blob.toString("base64")
}

describe("verifyRecord", () => {
  it.each(["manifest", "identity", "claim", "rotation", "revocation"] as const)(
    "verifies a %s",
    (type) => {
      assert.strictEqual(at(samples[type]), "accepted")
      assert.strictEqual(at(flipped(type)), "signature")
    }
  )

  it("takes manifests and identities of any age, but no claim or rotation that is over", () => {
    const late = now + 10_000_000
    assert.strictEqual(at(samples.manifest, undefined, undefined, late), "accepted")
    assert.strictEqual(at(samples.identity, undefined, undefined, identity.ts + late), "accepted")
    assert.strictEqual(at(samples.claim, undefined, undefined, claim.exp), "expired")
    assert.strictEqual(at(samples.rotation, undefined, undefined, rotation.exp), "accepted")
    assert.strictEqual(at(samples.rotation, undefined, undefined, rotation.exp + 1), "expired")
    assert.strictEqual(at(samples.revocation, undefined, undefined, late), "accepted")
  })

  it("verifies cluster manifests only against a pinned key", () => {
    assert.strictEqual(at(samples.cluster, "cluster.any.example", spk), "accepted")
    assert.strictEqual(at(samples.cluster, "cluster.any.example", otherSpk), "signature")
    assert.strictEqual(at(samples.cluster, undefined, spk, cluster.exp + 1), "expired")
    assert.strictEqual(at(flipped("cluster")), "accepted")
  })

  it.each(["prekey", "bootstrap", "cluster"] as const)(
    "asks of an unpinned %s strict base64 of a body and a signature",
    (type) => {
      const of = (length: number) =>
        Record.prefixes[type] + Buffer.from(fill(1, length)).toString("base64")
      assert.strictEqual(at(samples[type]), "accepted")
      assert.strictEqual(at(of(65)), "accepted")
      assert.strictEqual(at(of(64)), "structure")
      assert.strictEqual(at(`${of(66)}\n`), "base64")
      assert.strictEqual(at(`${Record.prefixes[type]}${"_".repeat(88)}`), "base64")
    }
  )

  it("repairs a chunk before it compares the checksum", () => {
    const prefix = Record.prefixes.chunk
    const spoiled = (places: number) => {
      const blob = Buffer.from(samples.chunk.slice(prefix.length), "base64")
      for (let place = 0; place < places; place++) blob[8 + 3 * place] = blob[8 + 3 * place]! ^ 0xff
      return prefix + blob.toString("base64")
    }
    assert.strictEqual(at(samples.chunk), "accepted")
    assert.strictEqual(at(spoiled(16)), "accepted")
    assert.notStrictEqual(at(spoiled(17)), "accepted")
    // All zeros are a code word, but not one whose checksum is zero.
    assert.strictEqual(at(`${prefix}${"A".repeat(300)}`), "signature")
    assert.strictEqual(at(`${prefix}AAAAAAAAAAA=`), "structure")
  })

  it("refuses heartbeats and every unknown v=dmp, wherever they are", () => {
    for (const value of [
      samples.heartbeat,
      "v=dmp1;t=e2e;x",
      "v=dmp1;t=identity;x",
      "v=dmp2;t=identity;d=",
      "v=dmp"
    ])
      for (const owner of ["x.example.com", "_dnsmesh-heartbeat.example.com"])
        assert.strictEqual(at(value, owner), "prefix")
  })

  it("takes other text, except at names reserved for mesh records", () => {
    for (const owner of ["example.com", "www.example.com", "_dmarc.example.com"])
      assert.strictEqual(at("v=spf1 -all", owner), "accepted")
    for (const owner of [
      "slot-7.mb-0123456789ab.example.com",
      "SLOT-7.MB-0123456789ab.example.com",
      "_dnsmesh-x.example.com",
      "cluster.example.com",
      "rotate.dmp.example.com"
    ])
      assert.strictEqual(at("v=spf1 -all", owner), "prefix")
  })

  it("refuses a claim of the far future", () => {
    const far = accepted(Claim.sign({ ...claim, exp: now + 2_592_001 }, seed))
    assert.strictEqual(at(far), "too-far-future")
  })

  it("is total", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc
            .tuple(fc.constantFrom(...Object.values(Record.prefixes)), fc.base64String())
            .map(([prefix, rest]) => prefix + rest)
        ),
        fc.string({ unit: "binary" }),
        fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
        fc.nat(2 ** 31),
        (value, owner, pinned, clock) => {
          verifyRecord(value, owner, pinned, clock)
        }
      ),
      { numRuns: 300 }
    ))
})
