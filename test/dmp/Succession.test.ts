/** Which key follows from which, and what of hostile statements counts. */
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import type { Subject } from "../../src/dmp/Subject.ts"
import * as Succession from "../../src/dmp/Succession.ts"

const now = 1_800_000_000
const seedOf = (octet: number) => new Uint8Array(32).fill(octet)
const hex = (octet: number) => Buffer.from(Ed25519.publicKey(seedOf(octet))).toString("hex")
const ours: Subject = { kind: "cluster-operator", name: "Mesh.example.org" }

const rotate = (from: number, to: number, changes: Partial<Rotation.Rotation> = {}) =>
  Either.getOrThrow(
    Rotation.sign(
      {
        subject: ours,
        oldSpk: Ed25519.publicKey(seedOf(from)),
        newSpk: Ed25519.publicKey(seedOf(to)),
        seq: 1n,
        ts: now - 10,
        exp: now + 1000,
        ...changes
      },
      seedOf(from),
      seedOf(to)
    )
  )

const revoke = (octet: number, reason: Revocation.Revocation["reason"], subject = ours) =>
  Either.getOrThrow(
    Revocation.sign(
      { subject, revokedSpk: Ed25519.publicKey(seedOf(octet)), reason, ts: now },
      seedOf(octet)
    )
  )

const read = (...wires: ReadonlyArray<string>) =>
  Succession.read(wires, "cluster-operator", "mesh.example.org", now)
const leads = (wires: ReadonlyArray<string>, from: number, to: number) =>
  read(...wires).leads(new Set([hex(from)]), hex(to))

describe("Succession", () => {
  it("follows rotations, one or many, in whatever order they stand", () => {
    assert.isTrue(leads([rotate(1, 2)], 1, 2))
    assert.isTrue(leads([rotate(3, 4), rotate(1, 2), rotate(2, 3)], 1, 4))
    assert.isFalse(leads([rotate(1, 2)], 2, 1))
    assert.isFalse(leads([rotate(1, 2), rotate(3, 4)], 1, 4))
    // Round and round, and to an end all the same.
    assert.isFalse(leads([rotate(1, 2), rotate(2, 1)], 1, 3))
  })

  it("counts the later of two statements, and neither of two with one number", () => {
    assert.isTrue(leads([rotate(1, 2), rotate(1, 3, { seq: 2n })], 1, 3))
    assert.isFalse(leads([rotate(1, 2), rotate(1, 3, { seq: 2n })], 1, 2))
    assert.isFalse(leads([rotate(1, 2), rotate(1, 3)], 1, 3))
    assert.isTrue(leads([rotate(1, 2), rotate(1, 2, { ts: now - 20 })], 1, 2))
    assert.isTrue(leads([rotate(1, 2), rotate(1, 3), rotate(1, 4, { seq: 2n ** 64n - 1n })], 1, 4))
  })

  it("leads to no key that is dead, and on from none that others have", () => {
    assert.isFalse(leads([rotate(1, 2), revoke(2, "routine")], 1, 2))
    assert.isTrue(
      leads([rotate(1, 2), rotate(2, 3), revoke(1, "routine"), revoke(2, "lost")], 1, 3)
    )
    assert.isFalse(leads([rotate(1, 2), revoke(1, "compromise")], 1, 2))
    assert.isFalse(leads([rotate(1, 2), rotate(2, 3), revoke(2, "compromise")], 1, 3))
    assert.deepStrictEqual([...read(revoke(1, "other")).revoked], [hex(1)])
  })

  it("believes nothing that is over, ahead of time, another's or forged", () => {
    assert.isFalse(leads([rotate(1, 2, { exp: now - 1 })], 1, 2))
    assert.isFalse(leads([rotate(1, 2, { ts: now + 301 })], 1, 2))
    for (const subject of [
      { kind: "cluster-operator", name: "other.example.org" },
      { kind: "bootstrap-signer", name: "mesh.example.org" },
      { kind: "user", name: "x@mesh.example.org" }
    ] as const) {
      assert.isFalse(leads([rotate(1, 2, { subject })], 1, 2))
      assert.isEmpty([...read(revoke(1, "routine", subject)).revoked])
    }
    const forged = Buffer.from(rotate(1, 2).slice("v=dmp1;t=rotation;".length), "base64")
    forged.writeUInt8((forged.at(-1) ?? 0) ^ 1, forged.length - 1)
    assert.isFalse(leads([`v=dmp1;t=rotation;${forged.toString("base64")}`], 1, 2))
  })

  it("reads no more than some, and whatever stands there", () => {
    const flood = Array.from({ length: 32 }, () => "v=dmp1;t=rotation;AAAA")
    assert.isFalse(leads([...flood, rotate(1, 2)], 1, 2))
    fc.assert(
      fc.property(fc.array(fc.string()), (texts) => {
        const said = read(...texts, ...texts.map((text) => `v=dmp1;t=revocation;${text}`))
        assert.strictEqual(said.revoked.size, 0)
      })
    )
  })
})
