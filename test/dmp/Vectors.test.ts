/** The protocol's published vectors: exact text when signing, fields and faults when reading. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Bootstrap from "../../src/dmp/Bootstrap.ts"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import type { FaultReason, Result } from "../../src/dmp/Record.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import * as Subject from "../../src/dmp/Subject.ts"
import { publicKey } from "../../src/dmp/Ed25519.ts"
import { accepted, reason as reasonOf, userSeed } from "./samples.ts"

const Hex = Schema.transform(Schema.String, Schema.Uint8ArrayFromSelf, {
  strict: true,
  decode: (hex) => new Uint8Array(Buffer.from(hex, "hex")),
  encode: (octets) => Buffer.from(octets).toString("hex")
})

const Wire = Schema.transform(Schema.String, Schema.String, {
  strict: true,
  decode: (hex) => Buffer.from(hex, "hex").toString("utf8"),
  encode: (text) => Buffer.from(text).toString("hex")
})

/** Successful cases carry expiries of 2035; this clock is inside every limit. */
const clock = 2_051_222_000

const load = <A, I>(file: string, schema: Schema.Schema<A, I>): ReadonlyArray<A> =>
  Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(schema)))(
    readFileSync(join(import.meta.dirname, `../fixtures/vectors/${file}.json`), "utf8")
  )

const common = {
  description: Schema.String,
  expected_wire_hex: Wire,
  expected_parse_result: Schema.optional(Schema.Literal("none")),
  verify_with_now: Schema.optional(Schema.Number)
}

const refusedAs = (result: Result<unknown>, reason: FaultReason) =>
  assert.strictEqual(reasonOf(result), reason)

describe("Identity vectors", () => {
  const cases = load(
    "identity_record",
    Schema.Struct({
      ...common,
      identity_seed_hex: Hex,
      inputs: Schema.optional(
        Schema.Struct({
          username: Schema.String,
          x25519_pk_hex: Hex,
          ed25519_spk_hex: Hex,
          ts: Schema.Number,
          versions: Schema.optional(Schema.Array(Schema.Number))
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    if (vector.inputs === undefined) return refusedAs(Identity.verify(text), "signature")
    const { ed25519_spk_hex, ts, username, versions = [1], x25519_pk_hex } = vector.inputs
    const identity = {
      username,
      x25519Pk: x25519_pk_hex,
      ed25519Spk: ed25519_spk_hex,
      ts,
      versions
    }
    assert.strictEqual(accepted(Identity.sign(identity, userSeed(vector.identity_seed_hex))), text)
    const read = accepted(Identity.verify(text))
    assert.strictEqual(read.username, username)
    assert.strictEqual(read.ts, ts)
    assert.deepStrictEqual(read.versions, versions)
    assert.deepStrictEqual(new Uint8Array(read.x25519Pk), x25519_pk_hex)
  })
  it("has four cases, the second longer than one character-string", () => {
    assert.deepStrictEqual(
      cases.map((vector) => vector.expected_wire_hex.length),
      [212, 288, 216, 212]
    )
  })
})

describe("Slot manifest vectors", () => {
  const cases = load(
    "slot_manifest",
    Schema.Struct({
      ...common,
      sender_seed_hex: Hex,
      inputs: Schema.optional(
        Schema.Struct({
          msg_id_hex: Hex,
          sender_spk_hex: Hex,
          recipient_id_hex: Hex,
          total_chunks: Schema.Number,
          data_chunks: Schema.Number,
          prekey_id: Schema.Number,
          ts: Schema.Number,
          exp: Schema.Number
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    assert.strictEqual(text.length, 252)
    if (vector.inputs === undefined) return refusedAs(SlotManifest.verify(text, clock), "signature")
    const { inputs } = vector
    const manifest: SlotManifest.SlotManifest = {
      msgId: inputs.msg_id_hex,
      senderSpk: inputs.sender_spk_hex,
      recipientId: inputs.recipient_id_hex,
      totalChunks: inputs.total_chunks,
      dataChunks: inputs.data_chunks,
      prekeyId: inputs.prekey_id,
      ts: inputs.ts,
      exp: inputs.exp,
      chunkHashes: []
    }
    assert.strictEqual(
      accepted(SlotManifest.sign(manifest, userSeed(vector.sender_seed_hex))),
      text
    )
    const read = accepted(SlotManifest.verify(text, clock))
    assert.strictEqual(read.totalChunks, inputs.total_chunks)
    assert.strictEqual(read.dataChunks, inputs.data_chunks)
    assert.strictEqual(read.prekeyId, inputs.prekey_id)
    assert.deepStrictEqual(read.chunkHashes, [])
    // The limit is 30 days ahead, to the second; there is none behind.
    accepted(SlotManifest.verify(text, inputs.exp - 2_592_000))
    accepted(SlotManifest.verify(text, inputs.exp + 1_000_000))
    refusedAs(SlotManifest.verify(text, inputs.exp - 2_592_001), "too-far-future")
  })
})

describe("Prekey vectors", () => {
  const cases = load(
    "prekey",
    Schema.Struct({
      ...common,
      signer_seed_hex: Hex,
      verify_with_signer_spk_hex: Schema.optional(Hex),
      inputs: Schema.optional(
        Schema.Struct({ prekey_id: Schema.Number, public_key_hex: Hex, exp: Schema.Number })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    assert.strictEqual(text.length, 162)
    const seed = userSeed(vector.signer_seed_hex)
    const signer = vector.verify_with_signer_spk_hex ?? publicKey(seed)
    if (vector.expected_parse_result === "none")
      return refusedAs(Prekey.verify(text, signer, clock), "signature")
    const read = accepted(Prekey.verify(text, signer, clock))
    const { inputs } = vector
    if (inputs === undefined) return assert.fail("a case that succeeds has inputs")
    const prekey = {
      prekeyId: inputs.prekey_id,
      publicKey: inputs.public_key_hex,
      exp: inputs.exp
    }
    assert.strictEqual(accepted(Prekey.sign(prekey, publicKey(seed), seed)), text)
    assert.strictEqual(read.prekeyId, inputs.prekey_id)
    assert.strictEqual(read.exp, inputs.exp)
  })
})

const operatorCommon = {
  ...common,
  verify_with_operator_spk_hex: Schema.optional(Hex),
  verify_with_signer_spk_hex: Schema.optional(Hex)
}

describe("Cluster manifest vectors", () => {
  const cases = load(
    "cluster_manifest",
    Schema.Struct({
      ...operatorCommon,
      operator_seed_hex: Hex,
      inputs: Schema.optional(
        Schema.Struct({
          cluster_name: Schema.String,
          operator_spk_hex: Hex,
          nodes: Schema.Array(
            Schema.Struct({
              node_id: Schema.String,
              http_endpoint: Schema.String,
              dns_endpoint: Schema.NullOr(Schema.String)
            })
          ),
          seq: Schema.Number,
          exp: Schema.Number
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    const seed = userSeed(vector.operator_seed_hex)
    const operator = vector.verify_with_operator_spk_hex ?? publicKey(seed)
    const now = vector.verify_with_now ?? clock
    const result = ClusterManifest.verify(text, operator, now)
    if (vector.expected_parse_result === "none")
      return refusedAs(result, vector.verify_with_now === undefined ? "signature" : "expired")
    const { inputs } = vector
    if (inputs === undefined) return assert.fail("a case that succeeds has inputs")
    const manifest: ClusterManifest.ClusterManifest = {
      clusterName: inputs.cluster_name,
      operatorSpk: inputs.operator_spk_hex,
      nodes: inputs.nodes.map((node) => ({
        nodeId: node.node_id,
        httpEndpoint: node.http_endpoint,
        dnsEndpoint: node.dns_endpoint ?? ""
      })),
      seq: BigInt(inputs.seq),
      exp: inputs.exp
    }
    assert.strictEqual(accepted(ClusterManifest.sign(manifest, seed)), text)
    const read = accepted(result)
    assert.strictEqual(read.clusterName, inputs.cluster_name)
    assert.strictEqual(read.seq, BigInt(inputs.seq))
    assert.deepStrictEqual(read.nodes, manifest.nodes)
    accepted(ClusterManifest.verify(text, operator, now, `${inputs.cluster_name.toUpperCase()}.`))
    refusedAs(ClusterManifest.verify(text, operator, now, "other.example"), "name-mismatch")
    accepted(ClusterManifest.verify(text, operator, inputs.exp))
    refusedAs(ClusterManifest.verify(text, operator, inputs.exp + 1), "expired")
    accepted(ClusterManifest.verify(text, operator, inputs.exp - 157_680_000))
    refusedAs(ClusterManifest.verify(text, operator, inputs.exp - 157_680_001), "too-far-future")
  })
  it("covers records above one character-string", () => {
    assert.deepStrictEqual(
      cases.slice(0, 2).map((vector) => vector.expected_wire_hex.length),
      [249, 525]
    )
  })
})

describe("Bootstrap vectors", () => {
  const cases = load(
    "bootstrap_record",
    Schema.Struct({
      ...operatorCommon,
      signer_seed_hex: Hex,
      inputs: Schema.optional(
        Schema.Struct({
          user_domain: Schema.String,
          signer_spk_hex: Hex,
          entries: Schema.Array(
            Schema.Struct({
              priority: Schema.Number,
              cluster_base_domain: Schema.String,
              operator_spk_hex: Hex
            })
          ),
          seq: Schema.Number,
          exp: Schema.Number
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    const seed = userSeed(vector.signer_seed_hex)
    const signer = vector.verify_with_signer_spk_hex ?? publicKey(seed)
    const now = vector.verify_with_now ?? clock
    const result = Bootstrap.verify(text, signer, now)
    if (vector.expected_parse_result === "none")
      return refusedAs(result, vector.verify_with_now === undefined ? "signature" : "expired")
    const { inputs } = vector
    if (inputs === undefined) return assert.fail("a case that succeeds has inputs")
    const bootstrap: Bootstrap.Bootstrap = {
      userDomain: inputs.user_domain,
      signerSpk: inputs.signer_spk_hex,
      entries: inputs.entries.map((entry) => ({
        priority: entry.priority,
        clusterBaseDomain: entry.cluster_base_domain,
        operatorSpk: entry.operator_spk_hex
      })),
      seq: BigInt(inputs.seq),
      exp: inputs.exp
    }
    assert.strictEqual(accepted(Bootstrap.sign(bootstrap, seed)), text)
    const read = accepted(result)
    assert.strictEqual(read.userDomain, inputs.user_domain)
    assert.strictEqual(read.seq, BigInt(inputs.seq))
    assert.strictEqual(read.entries.length, inputs.entries.length)
    accepted(Bootstrap.verify(text, signer, now, inputs.user_domain))
    refusedAs(Bootstrap.verify(text, signer, now, "other.example"), "name-mismatch")
  })
})

describe("Rotation vectors", () => {
  const cases = load(
    "rotation_record",
    Schema.Struct({
      ...common,
      old_seed_hex: Hex,
      new_seed_hex: Hex,
      inputs: Schema.optional(
        Schema.Struct({
          subject_type: Schema.Number,
          subject: Schema.String,
          old_spk_hex: Hex,
          new_spk_hex: Hex,
          seq: Schema.Number,
          ts: Schema.Number,
          exp: Schema.Number
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    const now = vector.verify_with_now ?? clock
    const result = Rotation.verify(text, now)
    if (vector.expected_parse_result === "none")
      return refusedAs(result, vector.verify_with_now === undefined ? "signature" : "expired")
    const { inputs } = vector
    if (inputs === undefined) return assert.fail("a case that succeeds has inputs")
    const rotation: Rotation.Rotation = {
      subject: { kind: Subject.kinds[inputs.subject_type - 1]!, name: inputs.subject },
      oldSpk: inputs.old_spk_hex,
      newSpk: inputs.new_spk_hex,
      seq: BigInt(inputs.seq),
      ts: inputs.ts,
      exp: inputs.exp
    }
    const seeds = [userSeed(vector.old_seed_hex), userSeed(vector.new_seed_hex)] as const
    assert.strictEqual(accepted(Rotation.sign(rotation, ...seeds)), text)
    refusedAs(Rotation.sign(rotation, seeds[1], seeds[0]), "signer-mismatch")
    const read = accepted(result)
    assert.deepStrictEqual(read.subject, rotation.subject)
    assert.strictEqual(read.seq, BigInt(inputs.seq))
  })
})

describe("Revocation vectors", () => {
  const cases = load(
    "revocation_record",
    Schema.Struct({
      ...common,
      revoked_seed_hex: Hex,
      verify_with_expected_revoked_spk_hex: Schema.optional(Hex),
      verify_with_max_age_seconds: Schema.optional(Schema.Number),
      inputs: Schema.optional(
        Schema.Struct({
          subject_type: Schema.Number,
          subject: Schema.String,
          revoked_spk_hex: Hex,
          reason_code: Schema.Number,
          ts: Schema.Number
        })
      )
    })
  )
  it.each(cases)("$description", (vector) => {
    const text = vector.expected_wire_hex
    const now = vector.verify_with_now ?? clock
    const expectedSpk = vector.verify_with_expected_revoked_spk_hex
    const maxAge = vector.verify_with_max_age_seconds
    if (expectedSpk !== undefined)
      refusedAs(Revocation.verify(text, now, { revokedSpk: expectedSpk }), "signer-mismatch")
    if (maxAge !== undefined) refusedAs(Revocation.verify(text, now, { maxAge }), "too-old")
    const read = accepted(Revocation.verify(text, now))
    refusedAs(Revocation.verify(text, read.ts - 301), "clock-skew")
    accepted(Revocation.verify(text, read.ts - 300, { revokedSpk: read.revokedSpk, maxAge: 0 }))
    if (vector.inputs === undefined) return
    const { inputs } = vector
    const revocation: Revocation.Revocation = {
      subject: { kind: Subject.kinds[inputs.subject_type - 1]!, name: inputs.subject },
      revokedSpk: inputs.revoked_spk_hex,
      reason: Revocation.reasons[inputs.reason_code - 1]!,
      ts: inputs.ts
    }
    assert.strictEqual(
      accepted(Revocation.sign(revocation, userSeed(vector.revoked_seed_hex))),
      text
    )
    assert.strictEqual(read.reason, revocation.reason)
    assert.deepStrictEqual(read.subject, revocation.subject)
  })
})
