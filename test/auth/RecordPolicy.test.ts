import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FastCheck as fc, Layer, Schema } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { AuthConfig } from "../../src/auth/AuthConfig.ts"
import * as RecordPolicy from "../../src/auth/RecordPolicy.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import { hex12, hex16 } from "../../src/dmp/OwnerName.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import * as Record from "../../src/dmp/Record.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import * as Name from "../../src/wire/Name.ts"
import { ContentPolicy, ContentRefused, type ContentVerdict } from "../../src/zone/ContentPolicy.ts"
import { Limits } from "../../src/zone/Limits.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import {
  accepted,
  claim,
  cluster,
  fill,
  heartbeat,
  identity,
  manifest,
  now,
  otherSeed,
  otherSpk,
  prekey,
  revocation,
  rotation,
  samples,
  seed,
  spk
} from "../dmp/samples.ts"

const maxTtl = 86_400
const policies = {
  off: RecordPolicy.make({ mode: "off", maxTtl }),
  "known-types": RecordPolicy.make({ mode: "known-types", maxTtl }),
  strict: RecordPolicy.make({ mode: "strict", maxTtl })
}
type Mode = keyof typeof policies

const judge = (mode: Mode, owner: string, value: string, at = now) =>
  policies[mode].judge(Name.unsafeMake(owner), value, at, WriteGrant.open)

const outcome = (verdict: ContentVerdict | ContentRefused): string =>
  verdict instanceof ContentRefused ? verdict.reason : "accepted"

const expects = (mode: Mode, owner: string, value: string, expected: string, at = now) =>
  assert.strictEqual(outcome(judge(mode, owner, value, at)), expected, `${mode}: ${owner}`)

const zone = "mesh.example.com"
const mailbox = `mb-${hex12(manifest.recipientId)}.${zone}`
const aliceId = `id-${hex16(Buffer.from("alice"))}.${zone}`
/** Where each sample belongs. */
const home: Readonly<globalThis.Record<Record.RecordType, string>> = {
  identity: aliceId,
  manifest: `slot-3.${mailbox}`,
  prekey: `prekeys.id-${hex12(Buffer.from("alice"))}.${zone}`,
  chunk: `chunk-0000-0123456789ab.${zone}`,
  claim: `claim-${claim.slot}.${mailbox}`,
  heartbeat: `_dnsmesh-heartbeat.${zone}`,
  cluster: "cluster.mesh.example.com",
  bootstrap: "_dmp.example.com",
  rotation: `rotate.${aliceId}`,
  revocation: `rotate.${aliceId}`
}
const types = Object.keys(home).filter((key): key is Record.RecordType => key in Record.prefixes)
const spoiled = (type: Record.RecordType) => {
  const blob = Buffer.from(samples[type].slice(Record.prefixes[type].length), "base64")
  const last = blob.length - 1
  blob[last] = blob[last]! ^ 1
  return Record.prefixes[type] + blob.toString("base64")
}

describe("what released clients published", () => {
  const published = Schema.decodeUnknownSync(
    Schema.parseJson(
      Schema.Record({
        key: Schema.String,
        value: Schema.Array(
          Schema.Struct({
            at: Schema.Number,
            owner: Schema.String,
            value: Schema.String,
            from: Schema.Literal("client", "driver")
          })
        )
      })
    )
  )(readFileSync(join(import.meta.dirname, "../fixtures/published.json"), "utf8"))

  it.each(Object.entries(published))("version %s: all of it is accepted", (_, records) => {
    assert.isAtLeast(records.length, 30)
    const kinds = new Set(records.map(({ value }) => Record.typeOf(value)))
    for (const kind of ["identity", "manifest", "prekey", "chunk"] as const)
      assert.isTrue(kinds.has(kind), kind)
    for (const { at, from, owner, value } of records) {
      assert.isTrue(Name.parse(owner)._tag === "Some")
      expects("known-types", owner, value, "accepted", at)
      if (from === "client") expects("strict", owner, value, "accepted", at)
    }
  })

  it("includes claims of two client generations", () => {
    const claims = Object.values(published)
      .flat()
      .filter(({ value }) => Record.typeOf(value) === "claim")
    assert.isAtLeast(claims.length, 15)
  })
})

describe.each(types)("a %s", (type) => {
  it("is accepted where it belongs, in every mode", () => {
    for (const mode of ["off", "known-types", "strict"] as const)
      expects(mode, home[type], samples[type], "accepted")
  })

  it("is refused at every name that belongs to another type", () => {
    for (const other of types) {
      if (home[other] === home[type]) continue
      expects("known-types", home[other], samples[type], "owner-mismatch")
      expects("off", home[other], samples[type], "accepted")
    }
  })

  it("is accepted at names of no type, unless it is a heartbeat", () =>
    expects(
      "known-types",
      "free.example.com",
      samples[type],
      type === "heartbeat" ? "owner-mismatch" : "accepted"
    ))

  it("is refused when its one spelling is another", () => {
    const text = samples[type]
    if (type === "chunk" || !text.endsWith("=")) return
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    const at = text.indexOf("=", Record.prefixes[type].length) - 1
    const other =
      text.slice(0, at) + alphabet[alphabet.indexOf(text[at] ?? "") + 1] + text.slice(at + 1)
    expects("known-types", home[type], other, "base64")
  })

  it("is refused when it does not parse", () => {
    const prefix = Record.prefixes[type]
    for (const rest of ["", "garbage", "A", "AAAA", "=", "ü"])
      assert.notStrictEqual(
        outcome(judge("known-types", home[type], prefix + rest)),
        "accepted",
        rest
      )
  })
})

describe("signatures", () => {
  it.each(["identity", "manifest", "claim", "rotation", "revocation", "heartbeat"] as const)(
    "of a %s are verified",
    (type) => {
      expects("known-types", home[type], spoiled(type), "signature")
      expects("off", home[type], spoiled(type), "accepted")
    }
  )

  it.each(["cluster", "bootstrap"] as const)("of a %s are verified when strict", (type) => {
    expects("known-types", home[type], spoiled(type), "accepted")
    expects("strict", home[type], spoiled(type), "signature")
  })

  it.each(["identity", "manifest", "claim", "rotation", "revocation", "chunk"] as const)(
    "of a %s are not verified again for who has verified that very value",
    (type) => {
      // A chunk mends one wrong octet by itself.
      const value = type === "chunk" ? `${Record.prefixes.chunk}${"A".repeat(300)}` : spoiled(type)
      const having = (verified: ReadonlySet<string>) =>
        outcome(
          policies.strict.judge(
            Name.unsafeMake(home[type]),
            value,
            now,
            new WriteGrant({ ...WriteGrant.open, verified })
          )
        )
      assert.strictEqual(having(new Set([value])), "accepted")
      assert.notStrictEqual(having(new Set([samples[type]])), "accepted")
    }
  )

  it("of a prekey cannot be verified without its identity", () =>
    expects("strict", home.prekey, spoiled("prekey"), "accepted"))

  it("stand in a chunk for the checksum, which is compared when strict", () => {
    const zeros = `${Record.prefixes.chunk}${"A".repeat(300)}`
    expects("known-types", home.chunk, zeros, "accepted")
    expects("strict", home.chunk, zeros, "signature")
  })

  it("of weak keys are refused as such", () => {
    const blob = Buffer.from(samples.claim.slice(Record.prefixes.claim.length), "base64")
    blob.set(fill(0, 32), 23)
    expects(
      "known-types",
      home.claim,
      Record.prefixes.claim + blob.toString("base64"),
      "low-order-key"
    )
  })
})

describe("agreement with the owner name", () => {
  it("binds an identity to the hash of its user name", () => {
    const bob = accepted(Identity.sign({ ...identity, username: "bob" }, seed))
    expects("known-types", aliceId, bob, "owner-mismatch")
    expects("known-types", `dmp.bob.${zone}`, bob, "accepted")
  })

  it("binds a manifest to the key its writer registered with when strict", () => {
    const sentBy = (mode: Mode, registeredSpk?: string) => {
      const grant = new WriteGrant({
        ...WriteGrant.open,
        ...(registeredSpk === undefined ? {} : { registeredSpk })
      })
      const owner = Name.unsafeMake(home.manifest)
      return outcome(policies[mode].judge(owner, samples.manifest, now, grant))
    }
    const own = Buffer.from(manifest.senderSpk).toString("hex")
    assert.strictEqual(sentBy("strict", own), "accepted")
    assert.strictEqual(sentBy("strict", "ab".repeat(32)), "sender-mismatch")
    // Issued by the operator, or open to everybody: there is no key to bind to.
    assert.strictEqual(sentBy("strict"), "accepted")
    assert.strictEqual(sentBy("known-types", "ab".repeat(32)), "accepted")
  })

  it("binds a manifest to its recipient's mailbox, in either form", () => {
    const old = accepted(SlotManifest.sign({ ...manifest, chunkHashes: [] }, seed))
    const foreign = accepted(SlotManifest.sign({ ...manifest, recipientId: fill(4, 32) }, seed))
    expects("known-types", home.manifest, old, "accepted")
    expects("known-types", home.manifest, foreign, "owner-mismatch")
  })

  it("binds a claim to its slot", () => {
    const other = accepted(Claim.sign({ ...claim, slot: (claim.slot + 1) % 10 }, seed))
    expects("known-types", home.claim, other, "owner-mismatch")
  })

  it("binds cluster manifests and bootstraps to the name they speak for", () => {
    expects("known-types", "cluster.other.example.com", samples.cluster, "owner-mismatch")
    expects("known-types", "_dmp.other.example.com", samples.bootstrap, "owner-mismatch")
    const cased = accepted(
      ClusterManifest.sign({ ...cluster, clusterName: "Mesh.Example.COM" }, seed)
    )
    expects("known-types", home.cluster, cased, "accepted")
  })

  it("keeps users', clusters' and bootstrap signers' keys apart", () => {
    const subject = { kind: "cluster-operator", name: "mesh.example.com" } as const
    const operators = accepted(Rotation.sign({ ...rotation, subject }, seed, otherSeed))
    expects("known-types", "rotate.cluster.mesh.example.com", operators, "accepted")
    expects("known-types", home.rotation, operators, "owner-mismatch")
    expects("known-types", "rotate.cluster.mesh.example.com", samples.revocation, "owner-mismatch")
    expects("known-types", `rotate.dmp.alice.${zone}`, samples.revocation, "accepted")
  })

  it("lets copies of heartbeats stand among those seen", () =>
    expects("known-types", `_dnsmesh-seen.${zone}`, samples.heartbeat, "accepted"))
})

describe("time", () => {
  it("refuses claims and rotations that are over, not manifests, prekeys or identities", () => {
    const late = now + 86_401
    expects("known-types", home.claim, samples.claim, "expired", claim.exp)
    expects("known-types", home.rotation, samples.rotation, "expired", late)
    expects("known-types", home.heartbeat, samples.heartbeat, "expired", late)
    expects("known-types", home.cluster, samples.cluster, "expired", late)
    expects("known-types", home.bootstrap, samples.bootstrap, "expired", late)
    expects("known-types", home.manifest, samples.manifest, "accepted", late)
    expects("known-types", home.prekey, samples.prekey, "accepted", late)
    expects("known-types", home.identity, samples.identity, "accepted", late)
  })

  it("refuses what would be valid for too long", () => {
    const far = now + 2_592_001
    for (const [owner, value] of [
      [home.manifest, accepted(SlotManifest.sign({ ...manifest, exp: far }, seed))],
      [home.prekey, accepted(Prekey.sign({ ...prekey, exp: far }, spk, seed))],
      [home.claim, accepted(Claim.sign({ ...claim, exp: far }, seed))],
      [home.heartbeat, accepted(Heartbeat.sign({ ...heartbeat, exp: far }, seed))],
      [home.cluster, accepted(ClusterManifest.sign({ ...cluster, exp: now + 157_680_001 }, seed))]
    ] as const)
      expects("known-types", owner, value, "too-far-future")
  })

  it("takes heartbeats that were heard long ago and still hold", () =>
    expects("known-types", home.heartbeat, samples.heartbeat, "accepted", now + 86_399))
})

describe("verdicts", () => {
  const verdict = (owner: string, value: string): ContentVerdict => {
    const given = judge("known-types", owner, value)
    return given instanceof ContentRefused ? assert.fail(given.reason) : given
  }

  it("give manifests room for 1024 chunks", () => {
    const many = accepted(
      SlotManifest.sign(
        {
          ...manifest,
          totalChunks: 1024,
          chunkHashes: Array.from({ length: 1024 }, () => fill(1, 32))
        },
        seed
      )
    )
    assert.isAtLeast(verdict(home.manifest, many).maxValueBytes ?? 0, many.length)
    assert.isUndefined(verdict(home.claim, samples.claim).maxValueBytes)
  })

  it("let revocations live for five years and operators' records until they expire", () => {
    assert.strictEqual(verdict(home.revocation, samples.revocation).maxTtl, 157_680_000)
    const exp = now + 1_000_000
    const lasting = accepted(ClusterManifest.sign({ ...cluster, exp }, seed))
    assert.strictEqual(verdict(home.cluster, lasting).maxTtl, 1_000_000)
    // An expiry below the general cap does not lower it: operators publish with fixed TTLs.
    const short = accepted(ClusterManifest.sign({ ...cluster, exp: now + 5 }, seed))
    assert.strictEqual(verdict(home.cluster, short).maxTtl, maxTtl)
    assert.isUndefined(verdict(home.identity, samples.identity).maxTtl)
  })

  it("let a newer identity replace the same one of before, and nothing else", () => {
    const newer = accepted(Identity.sign({ ...identity, ts: now + 1 }, seed))
    const supersedes = verdict(home.identity, newer).supersedes
    if (supersedes === undefined) return assert.fail("an identity supersedes")
    assert.isTrue(supersedes(samples.identity))
    assert.isFalse(supersedes(newer))
    assert.isFalse(supersedes("hello"))
    assert.isFalse(supersedes(samples.revocation))
    const sameNameOtherKey = accepted(
      Identity.sign({ ...identity, ed25519Spk: otherSpk }, otherSeed)
    )
    assert.isFalse(supersedes(sameNameOtherKey))
    assert.isFalse(verdict(home.identity, samples.identity).supersedes?.(newer) ?? true)
  })
})

describe("text that is no known record", () => {
  const texts = ["hello", "", "v=spf1 -all", "v=dmp1;t=check", "v=dmp1;t=probe", "v=dmp1;t=e2e;x"]

  it("is accepted anywhere by default", () => {
    for (const value of [...texts, "v=dmp2;t=identity;d=x", "v=dmp1;t=poll;d=x", "V=DMP1;T=CLAIM;"])
      for (const owner of [...Object.values(home), "check.example.com", zone])
        expects("known-types", owner, value, "accepted")
  })

  it("is refused at reserved names when strict, and only there", () => {
    for (const value of texts) {
      for (const owner of [...Object.values(home), `slot-12.${mailbox}`])
        expects("strict", owner, value, "not-a-mesh-record")
      for (const owner of ["check.example.com", zone, "_dmarc.example.com"])
        expects("strict", owner, value, "accepted")
    }
  })
})

describe("judge", () => {
  it("is total, and refuses with short stable reasons", () =>
    fc.assert(
      fc.property(
        fc.constantFrom<Mode>("off", "known-types", "strict"),
        fc.oneof(fc.constantFrom(...Object.values(home)), fc.string({ unit: "binary" })),
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc
            .tuple(fc.constantFrom(...Object.values(Record.prefixes)), fc.base64String())
            .map(([prefix, rest]) => prefix + rest)
        ),
        (mode, owner, value) => {
          const verdict = judge(mode, owner, value)
          if (verdict instanceof ContentRefused) assert.match(verdict.reason, /^[a-z0-9-]{1,20}$/)
        }
      ),
      { numRuns: 300 }
    ))

  it("refuses revocations of the future", () => {
    const ahead = accepted(Revocation.sign({ ...revocation, ts: now + 301 }, seed))
    expects("known-types", home.revocation, ahead, "clock-skew")
  })
})

describe("the layer", () => {
  const reasonUnder = (settings: ReadonlyArray<readonly [string, string]>) =>
    Effect.map(ContentPolicy, (policy) =>
      outcome(policy.judge(Name.unsafeMake(aliceId), "hello", now, WriteGrant.open))
    ).pipe(
      Effect.provide(
        RecordPolicy.layer.pipe(
          Layer.provide([AuthConfig.layer, Limits.layer()]),
          Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(settings))))
        )
      )
    )

  it.effect("is what DMP_RECORD_VALIDATION asks for, known types by default", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonUnder([]), "accepted")
      assert.strictEqual(
        yield* reasonUnder([["DMP_RECORD_VALIDATION", "strict"]]),
        "not-a-mesh-record"
      )
    })
  )
})
