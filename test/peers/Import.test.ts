import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import type { RecordType } from "../../src/dmp/Record.ts"
import { type Candidate, type Facts, judge } from "../../src/peers/Import.ts"
import * as Name from "../../src/wire/Name.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import {
  accepted,
  claim,
  cluster,
  manifest,
  now,
  otherSeed,
  otherSpk,
  rotation,
  samples,
  seed,
  spk
} from "../dmp/samples.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"

const zone = "example.com"
const facts: Facts = {
  now,
  maxTtl: 86_400,
  inZone: (owner) => Name.isWithin(owner, zone),
  operatorSpk: spk,
  acceptsHeartbeats: true,
  isOwnHeartbeat: () => false,
  isDead: () => false
}

const h12 = "0123456789ab"
const h16 = "0123456789abcdef"
const homes: Readonly<Record<RecordType, string>> = {
  identity: `id-${h16}.${zone}`,
  manifest: `slot-3.mb-${h12}.${zone}`,
  prekey: `prekeys.id-${h12}.${zone}`,
  chunk: `chunk-0001-${h12}.${zone}`,
  claim: `claim-4.mb-${h12}.${zone}`,
  rotation: `rotate.dmp.${zone}`,
  revocation: `rotate.dmp.${zone}`,
  cluster: `cluster.mesh.${zone}`,
  bootstrap: `_dmp.${zone}`,
  heartbeat: `_dnsmesh-heartbeat.${zone}`
}
const types = Object.keys(homes) as ReadonlyArray<RecordType>

const candidate = (name: string, value: string, changes: Partial<Candidate> = {}): Candidate => ({
  name,
  value,
  hash: valueHash(value),
  ttl: 600,
  createdAt: undefined,
  ...changes
})
const verdict = (row: Candidate, using: Partial<Facts> = {}) => {
  const result = judge(row, { ...facts, ...using })
  return Either.isRight(result) ? "taken" : result.left.reason
}
const ttlOf = (row: Candidate, using: Partial<Facts> = {}) =>
  Either.getOrUndefined(judge(row, { ...facts, ...using }))?.ttl

describe("what is taken over from a peer", () => {
  it.each(types)("a sound %s at its own name, and at no other type's", (type) => {
    const value = samples[type]
    assert.strictEqual(verdict(candidate(homes[type], value)), "taken")
    for (const other of types) {
      if (homes[other] === homes[type]) continue
      assert.strictEqual(verdict(candidate(homes[other], value)), "owner-type", other)
    }
    assert.strictEqual(verdict(candidate(`_dnsmesh-other.${zone}`, value)), "owner-type")
  })

  it.each(types)("no %s that was tampered with", (type) => {
    const value = samples[type]
    // Enough that a chunk's error correction cannot mend it.
    const flipped = `${value.slice(0, -110)}${"A".repeat(80)}${value.slice(-30)}`
    const outlinesOnly = type === "prekey" || type === "bootstrap"
    assert.strictEqual(
      verdict(candidate(homes[type], flipped)) === "taken",
      outlinesOnly,
      verdict(candidate(homes[type], flipped))
    )
    assert.strictEqual(verdict(candidate(homes[type], flipped, { hash: valueHash(value) })), "hash")
  })

  it("nothing outside the zone, nothing deleted, no name this node cannot hold", () => {
    assert.strictEqual(verdict(candidate("a.example.net", "text")), "zone")
    assert.strictEqual(verdict(candidate("notexample.com", "text")), "zone")
    assert.strictEqual(
      verdict(candidate("a.example.com", "text"), { isDead: () => true }),
      "deleted"
    )
    for (const name of [
      "",
      ".",
      "a..example.com",
      "*.example.com",
      `${"a".repeat(64)}.example.com`
    ])
      assert.strictEqual(verdict(candidate(name, "text")), "owner", name)
    assert.strictEqual(verdict(candidate("A.Example.COM", "text")), "taken")
  })

  it("no unknown mesh records, and no other text at names reserved for them", () => {
    assert.strictEqual(verdict(candidate("a.example.com", "v=dmp2;t=identity;d=AA")), "prefix")
    assert.strictEqual(verdict(candidate("a.example.com", "v=dmp1;t=new;AA")), "prefix")
    assert.strictEqual(verdict(candidate(`mb-${h12}.example.com`, "hello")), "prefix")
    assert.strictEqual(verdict(candidate("_dnsmesh-seen.example.com", "hello")), "prefix")
    for (const name of ["example.com", "www.example.com", "_dmarc.example.com"])
      assert.strictEqual(verdict(candidate(name, "v=spf1 -all")), "taken")
  })

  it("heartbeats from nodes of this release only, and never this node's own", () => {
    const row = candidate(homes.heartbeat, samples.heartbeat)
    assert.strictEqual(verdict(row, { acceptsHeartbeats: false }), "heartbeat")
    assert.strictEqual(verdict(row, { isOwnHeartbeat: () => true }), "own-heartbeat")
  })

  it("for no longer than the cap and the record's own signature allow", () => {
    assert.strictEqual(ttlOf(candidate("a.example.com", "x", { ttl: 10 ** 15 })), 86_400)
    const short = accepted(Claim.sign({ ...claim, exp: now + 60 }, seed))
    assert.strictEqual(ttlOf(candidate(homes.claim, short, { ttl: 86_400 })), 60)
    assert.strictEqual(
      ttlOf(candidate(homes.revocation, samples.revocation, { ttl: 10 ** 12 })),
      5 * 365 * 86_400
    )
    const ended = accepted(Claim.sign({ ...claim, exp: now + 1 }, seed))
    assert.strictEqual(verdict(candidate(homes.claim, ended), { now: now + 1 }), "expired")
  })

  it("rotations to their signed end and no further, whatever the cap", () => {
    const until = (exp: number) => accepted(Rotation.sign({ ...rotation, exp }, seed, otherSeed))
    const lasting = candidate(homes.rotation, until(now + 400 * 86_400), { ttl: 300 * 86_400 })
    assert.strictEqual(ttlOf(lasting), 300 * 86_400)
    assert.strictEqual(
      ttlOf(candidate(homes.rotation, until(now + 90), { ttl: 86_400 })),
      90,
      "ends with its signature"
    )
    assert.strictEqual(ttlOf({ ...lasting, ttl: 10 ** 12 }), 400 * 86_400)
    assert.strictEqual(verdict(candidate(homes.rotation, until(now))), "expired")
  })

  it("slot manifests to their signed end, the clocks' difference granted, and the cap", () => {
    const until = (exp: number) => accepted(SlotManifest.sign({ ...manifest, exp }, seed))
    const at = (exp: number, ttl: number) => ttlOf(candidate(homes.manifest, until(exp), { ttl }))
    assert.strictEqual(at(now + 10 * 86_400, 5 * 86_400), 86_400)
    assert.strictEqual(at(now + 60, 86_400), 60 + 300)
    assert.strictEqual(at(now - 299, 86_400), 1)
    assert.strictEqual(verdict(candidate(homes.manifest, until(now - 300))), "expired")
    assert.strictEqual(at(now + 86_400, 20), 20)
  })

  it("cluster manifests under the pinned key, for as long as they are valid", () => {
    const lasting = accepted(ClusterManifest.sign({ ...cluster, exp: now + 400 * 86_400 }, seed))
    const row = candidate(homes.cluster, lasting, { ttl: 300 })
    assert.strictEqual(ttlOf(row), 400 * 86_400)
    assert.strictEqual(ttlOf(row, { operatorSpk: undefined }), 300)
    assert.notStrictEqual(verdict(row, { operatorSpk: otherSpk }), "taken")
  })

  it("again later when only the clocks disagree", () => {
    const ahead = accepted(Claim.sign({ ...claim, ts: now + 400, exp: now + 900 }, seed))
    const result = judge(candidate(homes.claim, ahead), facts)
    assert.deepStrictEqual(Either.getLeft(result)._tag, "Some")
    assert.isTrue(Either.isLeft(result) && result.left.retry)
  })
})
