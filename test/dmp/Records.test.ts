/** What holds for every record type: readers are total, signatures cover everything. */
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as Base64 from "../../src/dmp/Base64.ts"
import * as Bootstrap from "../../src/dmp/Bootstrap.ts"
import * as Chunk from "../../src/dmp/Chunk.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import * as Record from "../../src/dmp/Record.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import {
  accepted,
  bootstrap,
  claim,
  cluster,
  fill,
  identity,
  manifest,
  now,
  otherSeed,
  otherSpk,
  parsers,
  prekey,
  reason,
  revocation,
  rotation,
  samples,
  seed,
  spk,
  verifiers
} from "./samples.ts"

const types: ReadonlyArray<Record.RecordType> = [
  "identity",
  "manifest",
  "prekey",
  "chunk",
  "claim",
  "heartbeat",
  "cluster",
  "bootstrap",
  "rotation",
  "revocation"
]
const blobOf = (type: Record.RecordType) =>
  Buffer.from(samples[type].slice(Record.prefixes[type].length), "base64")
const textOf = (type: Record.RecordType, blob: Uint8Array) =>
  Record.prefixes[type] + Base64.encode(blob)

describe.each(types)("a %s", (type) => {
  it("is sound as signed, and named by its prefix", () => {
    assert.strictEqual(reason(verifiers[type](samples[type], now)), "accepted")
    assert.strictEqual(Record.typeOf(samples[type]), type)
  })

  it("is refused under every other type's rules", () => {
    for (const other of types)
      if (other !== type) assert.strictEqual(reason(verifiers[other](samples[type], now)), "prefix")
  })

  it("is refused under every other type's prefix", () => {
    for (const other of types)
      if (other !== type && other !== "chunk")
        assert.notStrictEqual(
          reason(verifiers[other](textOf(other, blobOf(type)), now)),
          "accepted"
        )
  })

  it("is refused when any one octet of body or signature differs", () => {
    const blob = blobOf(type)
    for (let at = 0; at < blob.length; at++) {
      const spoiled = Buffer.from(blob)
      spoiled[at] = spoiled[at]! ^ (1 << (at % 8))
      const result = verifiers[type](textOf(type, spoiled), now)
      // A chunk's parity repairs its coded part: there the original data must come back.
      if (type === "chunk" && at >= 8)
        assert.deepStrictEqual(result, verifiers.chunk(samples.chunk, now))
      else assert.isTrue(Either.isLeft(result), `octet ${at}`)
    }
  })

  it("is refused when cut short or lengthened", () => {
    const blob = blobOf(type)
    for (const length of [0, 1, 8, 64, 65, blob.length - 1])
      assert.isTrue(Either.isLeft(verifiers[type](textOf(type, blob.subarray(0, length)), now)))
    for (const extra of [1, 32, 64])
      assert.isTrue(
        Either.isLeft(verifiers[type](textOf(type, Buffer.concat([blob, fill(0, extra)])), now))
      )
  })

  it("never makes a reader throw, whatever the text", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 400 }),
          fc.string({ unit: "binary", maxLength: 400 }).map((rest) => Record.prefixes[type] + rest),
          fc.uint8Array({ maxLength: 600 }).map((blob) => textOf(type, blob)),
          // Close misses: a sound record with a run of octets overwritten.
          fc.tuple(fc.nat(400), fc.uint8Array({ minLength: 1, maxLength: 24 })).map(([at, run]) => {
            const blob = blobOf(type)
            const start = at % blob.length
            blob.set(run.subarray(0, blob.length - start), start)
            return textOf(type, blob)
          })
        ),
        fc.oneof(fc.constant(now), fc.nat(2 ** 31)),
        (text, at) => {
          for (const result of [parsers[type](text), verifiers[type](text, at)])
            if (Either.isLeft(result)) assert.include(Record.faultReasons, result.left.reason)
        }
      ),
      { numRuns: 250 }
    ))
})

/** The text of any body of `type`, with as many signatures as it needs. */
const resigned = (type: Record.RecordType, body: Uint8Array) =>
  textOf(
    type,
    Buffer.concat([
      body,
      Ed25519.sign(seed, body),
      ...(type === "rotation" ? [Ed25519.sign(otherSeed, body)] : [])
    ])
  )
const bodyOf = (type: Record.RecordType) =>
  blobOf(type).subarray(0, type === "rotation" ? -128 : -64)

describe("a soundly signed body", () => {
  it.each(types.filter((type) => type !== "chunk"))(
    "of a %s is refused when it ends early",
    (type) => {
      const body = bodyOf(type)
      assert.strictEqual(resigned(type, body), samples[type])
      for (let length = 1; length < body.length; length++) {
        // 108 octets of a manifest are its form before 0.7.
        const expected = type === "manifest" && length === 108 ? "accepted" : "structure"
        assert.strictEqual(
          reason(parsers[type](resigned(type, body.subarray(0, length)))),
          expected
        )
      }
    }
  )

  it.each(types.filter((type) => type !== "chunk"))(
    "of a %s is refused when it goes on",
    (type) => {
      for (const extra of [1, 32]) {
        const longer = resigned(type, Buffer.concat([bodyOf(type), fill(0, extra)]))
        assert.include(["structure", "too-long"], reason(parsers[type](longer)))
      }
    }
  )

  it("is refused where signing would have refused the fields", () => {
    const prekeyZero = bodyOf("prekey")
    prekeyZero.fill(0, 0, 4)
    const sameKeys = bodyOf("rotation")
    sameKeys.set(spk, sameKeys.length - 56)
    const claimSlot = bodyOf("claim")
    claimSlot[claimSlot.length - 17] = 10
    const reasonCode = bodyOf("revocation")
    reasonCode[reasonCode.length - 9] = 5
    const subjectKind = bodyOf("revocation")
    subjectKind[7] = 4
    const noChunks = bodyOf("manifest")
    noChunks.fill(0, 80, 84)
    for (const [type, body] of [
      ["prekey", prekeyZero],
      ["rotation", sameKeys],
      ["claim", claimSlot],
      ["revocation", reasonCode],
      ["revocation", subjectKind],
      ["manifest", noChunks]
    ] as const)
      assert.strictEqual(reason(parsers[type](resigned(type, body))), "structure", type)
  })

  it("may name a host of 64 octets, a trailing dot not counted", () => {
    const named = (name: string) => {
      const old = bodyOf("cluster")
      const rest = old.subarray(56 + cluster.clusterName.length)
      const length = Buffer.from([name.length])
      const body = Buffer.concat([old.subarray(0, 55), length, Buffer.from(name), rest])
      return ClusterManifest.parse(resigned("cluster", body))
    }
    const longest = `${"a".repeat(32)}.${"b".repeat(31)}`
    assert.strictEqual(accepted(named(`${longest}.`)).clusterName, longest)
    for (const name of [`${longest}b`, `${longest}..`, "a b", "ä.example", ""])
      assert.strictEqual(reason(named(name)), "structure", name)
  })
})

const keyed: ReadonlyArray<[string, Record.RecordType, number]> = [
  ["sender of a manifest", "manifest", 16],
  ["owner of an identity", "identity", 38],
  ["sender of a claim", "claim", 23],
  ["operator of a heartbeat", "heartbeat", 33],
  ["old key of a rotation", "rotation", 26],
  ["new key of a rotation", "rotation", 58],
  ["revoked key", "revocation", 26]
]

describe("a small-order key", () => {
  it.each(keyed)("is refused as %s, with a signature that would pass", (_, type, at) => {
    const blob = blobOf(type)
    const one = fill(0, 32)
    one[0] = 1
    assert.isTrue(
      [spk, otherSpk].some((key) => Buffer.compare(key, blob.subarray(at, at + 32)) === 0)
    )
    blob.set(one, at)
    const end = blob.length - (type === "rotation" ? 128 : 64)
    for (let signature = end; signature < blob.length; signature += 64)
      blob.set(Buffer.concat([one, fill(0, 32)]), signature)
    // The honest half of a rotation is signed anew, so that only the weak key is at fault.
    if (type === "rotation")
      blob.set(
        at === 26
          ? Ed25519.sign(otherSeed, blob.subarray(0, end))
          : Ed25519.sign(seed, blob.subarray(0, end)),
        at === 26 ? end + 64 : end
      )
    assert.strictEqual(reason(verifiers[type](textOf(type, blob), now)), "low-order-key")
  })

  it("is refused as a pinned key", () => {
    const one = fill(0, 32)
    one[0] = 1
    assert.strictEqual(reason(ClusterManifest.verify(samples.cluster, one, now)), "low-order-key")
    assert.strictEqual(reason(Bootstrap.verify(samples.bootstrap, one, now)), "low-order-key")
    assert.strictEqual(reason(Prekey.verify(samples.prekey, one, now)), "low-order-key")
  })
})

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const time = fc.integer({ min: 1, max: 2 ** 40 })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const hostLabel = fc.stringMatching(/^[a-zA-Z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?$/)
const host = fc.array(hostLabel, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."))
const plain = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString("hex")
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
        : value

const roundTrips = <A>(
  arbitrary: fc.Arbitrary<A>,
  sign: (record: A) => Record.Result<string>,
  parse: (text: string) => Record.Result<A>
) =>
  fc.assert(
    fc.property(arbitrary, (record) => {
      assert.deepStrictEqual(plain(accepted(parse(accepted(sign(record))))), plain(record))
    }),
    { numRuns: 60 }
  )

describe("what is signed is what is read", () => {
  it("of identities", () =>
    roundTrips(
      fc.record({
        username: fc
          .string({ unit: "grapheme", minLength: 1, maxLength: 30 })
          .filter((name) => Buffer.byteLength(name) <= 64),
        x25519Pk: bytes(32),
        ed25519Spk: fc.constant(spk),
        ts: time,
        versions: fc
          .uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1 })
          .map((versions) => versions.toSorted((a, b) => a - b))
      }),
      (record) => Identity.sign(record, seed),
      Identity.parse
    ))

  it("of manifests, from one chunk to many, in both forms", () =>
    roundTrips(
      fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean(), time).map(([chunks, bound, ts]) => ({
        ...manifest,
        totalChunks: chunks,
        dataChunks: Math.ceil(chunks / 2),
        ts,
        exp: ts + 300,
        chunkHashes: bound ? Array.from({ length: chunks }, (_, at) => fill(at, 32)) : []
      })),
      (record) => SlotManifest.sign(record, seed),
      SlotManifest.parse
    ))

  it("of prekeys", () =>
    roundTrips(
      fc.record({
        prekeyId: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        publicKey: bytes(32),
        exp: time
      }),
      (record) => Prekey.sign(record, spk, seed),
      Prekey.parse
    ))

  it("of claims", () =>
    roundTrips(
      fc.record({
        msgId: bytes(16),
        senderSpk: fc.constant(spk),
        senderDomain: fc
          .string({ unit: "grapheme", minLength: 1, maxLength: 43 })
          .filter(
            (name) => /^[!-~\u0080-\u{10ffff}]*$/u.test(name) && Buffer.byteLength(name) <= 43
          ),
        slot: fc.integer({ min: 0, max: 9 }),
        ts: time,
        exp: time.map((ts) => ts + 2 ** 41)
      }),
      (record) => Claim.sign(record, seed),
      Claim.parse
    ))

  it("of cluster manifests", () =>
    roundTrips(
      fc.record({
        clusterName: host,
        operatorSpk: fc.constant(spk),
        nodes: fc.uniqueArray(
          fc.record({
            nodeId: fc.stringMatching(/^[a-z0-9-]{1,16}$/),
            httpEndpoint: fc.stringMatching(/^https:\/\/[a-z]{1,20}$/),
            dnsEndpoint: fc.stringMatching(/^[a-z.]{0,16}$/)
          }),
          { minLength: 1, maxLength: 8, selector: (node) => node.nodeId }
        ),
        seq: u64,
        exp: time
      }),
      (record) => ClusterManifest.sign(record, seed),
      ClusterManifest.parse
    ))

  it("of bootstraps, sorted by priority", () =>
    roundTrips(
      fc.record({
        userDomain: host,
        signerSpk: fc.constant(spk),
        entries: fc
          .uniqueArray(
            fc.record({
              priority: fc.nat(0xffff),
              clusterBaseDomain: hostLabel,
              operatorSpk: bytes(32)
            }),
            { minLength: 1, maxLength: 8, selector: (entry) => entry.priority }
          )
          .map((entries) => entries.toSorted((a, b) => a.priority - b.priority)),
        seq: u64,
        exp: time
      }),
      (record) => Bootstrap.sign(record, seed),
      Bootstrap.parse
    ))

  it("of rotations", () =>
    roundTrips(
      fc.record({
        subject: fc.oneof(
          host.map((name) => ({ kind: "cluster-operator" as const, name })),
          host.map((name) => ({ kind: "bootstrap-signer" as const, name })),
          host.map((name) => ({ kind: "user" as const, name: `Älice@${name}` }))
        ),
        oldSpk: fc.constant(spk),
        newSpk: fc.constant(otherSpk),
        seq: u64,
        ts: time,
        exp: time
      }),
      (record) => Rotation.sign(record, seed, otherSeed),
      Rotation.parse
    ))

  it("of revocations", () =>
    roundTrips(
      fc.record({
        subject: host.map((name) => ({ kind: "user" as const, name: `a@${name}` })),
        revokedSpk: fc.constant(spk),
        reason: fc.constantFrom(...Revocation.reasons),
        ts: time
      }),
      (record) => Revocation.sign(record, seed),
      Revocation.parse
    ))

  it("of chunks", () =>
    fc.assert(
      fc.property(bytes(128), (block) => {
        const text = accepted(Chunk.encode(block))
        assert.strictEqual(text.length, 241)
        assert.deepStrictEqual(new Uint8Array(accepted(Chunk.verify(text))), new Uint8Array(block))
      }),
      { numRuns: 60 }
    ))
})

describe("limits of each type", () => {
  const refuses = (result: Record.Result<unknown>, expected = "structure") =>
    assert.strictEqual(reason(result), expected)

  it("bounds user names to 1..64 octets and versions to an ascending list", () => {
    refuses(Identity.sign({ ...identity, username: "" }, seed))
    refuses(Identity.sign({ ...identity, username: "é".repeat(33) }, seed))
    refuses(Identity.sign({ ...identity, versions: [2, 1] }, seed))
    refuses(Identity.sign({ ...identity, versions: [] }, seed))
    refuses(Identity.sign({ ...identity, versions: [1, 1] }, seed))
    assert.strictEqual(
      accepted(Identity.sign({ ...identity, username: "x".repeat(64) }, seed)).length,
      288
    )
  })

  it("tells a newer record of the same identity from another's", () => {
    const newer = { ...identity, ts: identity.ts + 1 }
    assert.isTrue(Identity.supersedes(newer, identity))
    assert.isFalse(Identity.supersedes(identity, newer))
    assert.isFalse(Identity.supersedes(identity, identity))
    assert.isFalse(Identity.supersedes({ ...newer, username: "bob" }, identity))
    assert.isFalse(Identity.supersedes({ ...newer, x25519Pk: fill(9, 32) }, identity))
    assert.isFalse(Identity.supersedes({ ...newer, ed25519Spk: otherSpk }, identity))
  })

  it("bounds manifests to 1024 chunks, data chunks to those, hashes to none or all", () => {
    const many = {
      ...manifest,
      totalChunks: 1024,
      chunkHashes: Array.from({ length: 1024 }, () => fill(1, 32))
    }
    const text = accepted(SlotManifest.sign(many, seed))
    assert.strictEqual(text.length, 43_940)
    assert.strictEqual(reason(SlotManifest.verify(text, now)), "accepted")
    refuses(SlotManifest.sign({ ...many, totalChunks: 1025 }, seed))
    refuses(SlotManifest.sign({ ...manifest, dataChunks: 3 }, seed))
    refuses(SlotManifest.sign({ ...manifest, dataChunks: 0 }, seed))
    refuses(SlotManifest.sign({ ...manifest, totalChunks: 3 }, seed))
    refuses(SlotManifest.parse(`${text}AAAA`), "too-long")
  })

  it("knows no prekey 0, and none that is valid for more than 30 days", () => {
    refuses(Prekey.sign({ ...prekey, prekeyId: 0 }, spk, seed))
    refuses(Prekey.sign({ ...prekey, prekeyId: 2 ** 32 }, spk, seed))
    const until = (exp: number) =>
      Prekey.verify(accepted(Prekey.sign({ ...prekey, exp }, spk, seed)), spk, now)
    assert.strictEqual(reason(until(now + 2_592_000)), "accepted")
    refuses(until(now + 2_592_001), "too-far-future")
  })

  it("bounds a claim's slot, domain and times", () => {
    refuses(Claim.sign({ ...claim, slot: 10 }, seed))
    refuses(Claim.sign({ ...claim, senderDomain: "" }, seed))
    refuses(Claim.sign({ ...claim, senderDomain: "x".repeat(44) }, seed))
    refuses(Claim.sign({ ...claim, senderDomain: "a b" }, seed))
    refuses(Claim.sign({ ...claim, exp: claim.ts }, seed))
    const at = (ts: number, exp: number) =>
      reason(Claim.verify(accepted(Claim.sign({ ...claim, ts, exp }, seed)), now))
    assert.strictEqual(at(now + 300, now + 600), "accepted")
    assert.strictEqual(at(now + 301, now + 600), "clock-skew")
    assert.strictEqual(at(1, now + 1), "accepted")
    assert.strictEqual(at(1, now), "expired")
    assert.strictEqual(at(now, now + 2_592_000), "accepted")
    assert.strictEqual(at(now, now + 2_592_001), "too-far-future")
  })

  it("keeps every claim in one character-string", () => {
    const text = accepted(Claim.sign({ ...claim, senderDomain: "x".repeat(43) }, seed))
    assert.strictEqual(text.length, 255)
    refuses(Claim.parse(`${text}AAAA`), "too-long")
  })

  it("wants cluster nodes with distinct ids and endpoints, and a host name", () => {
    const [node] = cluster.nodes
    if (node === undefined) return assert.fail("the sample has a node")
    const with_ = (change: Partial<ClusterManifest.ClusterManifest>) =>
      ClusterManifest.sign({ ...cluster, ...change }, seed)
    refuses(with_({ nodes: [] }))
    refuses(with_({ nodes: [node, node] }))
    refuses(with_({ nodes: [{ ...node, httpEndpoint: "" }] }))
    refuses(with_({ nodes: [{ ...node, nodeId: "x".repeat(17) }] }))
    refuses(with_({ clusterName: "under_score.example" }))
    refuses(with_({ clusterName: "-a.example" }))
    refuses(with_({ clusterName: "a..example" }))
    refuses(with_({ clusterName: "a.example.." }))
    refuses(with_({ clusterName: "" }))
    refuses(with_({ seq: 2n ** 64n }))
    refuses(with_({ seq: -1n }))
    assert.strictEqual(
      accepted(ClusterManifest.parse(accepted(with_({ clusterName: "Mesh.Example.com." }))))
        .clusterName,
      "Mesh.Example.com"
    )
  })

  it("wants bootstrap entries to differ in priority or domain, whatever the case", () => {
    const entry = { priority: 1, clusterBaseDomain: "a.example", operatorSpk: spk }
    const with_ = (...entries: ReadonlyArray<Bootstrap.BootstrapEntry>) =>
      Bootstrap.sign({ ...bootstrap, entries }, seed)
    refuses(with_())
    refuses(with_(entry, { ...entry, clusterBaseDomain: "A.Example" }))
    refuses(with_({ ...entry, priority: 0x10000 }))
    const text = accepted(with_({ ...entry, priority: 2 }, entry))
    assert.deepStrictEqual(
      accepted(Bootstrap.parse(text)).entries.map(({ priority }) => priority),
      [1, 2]
    )
  })

  it("wants a rotation to change the key, and a user subject to name a host", () => {
    refuses(Rotation.sign({ ...rotation, newSpk: spk }, seed, seed))
    for (const name of [
      "alice",
      "@example.com",
      "alice@",
      "alice@-x",
      `${"a".repeat(250)}@b.example`
    ])
      refuses(Revocation.sign({ ...revocation, subject: { kind: "user", name } }, seed))
    refuses(
      Revocation.sign({ ...revocation, subject: { kind: "cluster-operator", name: "a@b" } }, seed)
    )
  })

  it("wants chunks of 128 octets, and tolerates their old parameter", () => {
    refuses(Chunk.encode(fill(0, 127)))
    assert.strictEqual(reason(Chunk.verify(`${samples.chunk};m=e30=`)), "accepted")
    refuses(Chunk.parse(`${Record.prefixes.chunk}AAAAAAAAAAA=`))
  })

  it("refuses a seed of another key when signing", () => {
    refuses(Identity.sign(identity, otherSeed), "signer-mismatch")
    refuses(Rotation.sign(rotation, otherSeed, seed), "signer-mismatch")
  })
})

describe("a cluster manifest", () => {
  it("may be the golden one of two nodes", () => {
    const text = accepted(
      ClusterManifest.sign(
        {
          clusterName: "Mesh.Example.com",
          operatorSpk: spk,
          nodes: [
            {
              nodeId: "node-a",
              httpEndpoint: "http://a.example:8053",
              dnsEndpoint: "192.0.2.1:53"
            },
            { nodeId: "node-b", httpEndpoint: "http://b.example:8053", dnsEndpoint: "" }
          ],
          seq: 7n,
          exp: 1_760_000_000
        },
        seed
      )
    )
    assert.strictEqual(
      text,
      "v=dmp1;t=cluster;RE1QQ0wwMQAAAAAAAAAHAAAAAGjneAADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuBBNZXNoLkV4YW1wbGUuY29tAgZub2RlLWEAFWh0dHA6Ly9hLmV4" +
        "YW1wbGU6ODA1MwAMMTkyLjAuMi4xOjUzBm5vZGUtYgAVaHR0cDovL2IuZXhhbXBsZTo4MDUzAADCR5BvoSAm6JJwAzymvts5Esp+f+yUg+dZoTxVNzM8NWtQeFNTHog4ekYVcOLQ2gFlgnkUU4fikpUI39CKrj4B"
    )
    assert.strictEqual(
      reason(ClusterManifest.verify(text, spk, 1_759_000_000, "mesh.example.com.")),
      "accepted"
    )
  })

  it("is refused when signed by the pinned key in another's name", () => {
    const blob = blobOf("cluster")
    blob.set(otherSpk, 23)
    const body = blob.subarray(0, blob.length - 64)
    const text = textOf("cluster", Buffer.concat([body, Ed25519.sign(seed, body)]))
    assert.strictEqual(reason(ClusterManifest.verify(text, spk, now)), "signer-mismatch")
  })

  it("may list no nodes when read, as released readers allow", () => {
    const body = Buffer.concat([
      blobOf("cluster").subarray(0, 56 + cluster.clusterName.length),
      fill(0, 1)
    ])
    const text = textOf("cluster", Buffer.concat([body, Ed25519.sign(seed, body)]))
    assert.deepStrictEqual(accepted(ClusterManifest.verify(text, spk, now)).nodes, [])
  })
})
