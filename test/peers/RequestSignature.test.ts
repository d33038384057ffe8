/** What a signature of a sync request binds, and what of a hostile one is believed. */
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option, Redacted } from "effect"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as NodeCertificate from "../../src/dmp/NodeCertificate.ts"
import * as NodeIdentity from "../../src/peers/NodeIdentity.ts"
import { NonceMemory } from "../../src/peers/NonceMemory.ts"
import * as PeerTokens from "../../src/peers/PeerTokens.ts"
import * as RequestSignature from "../../src/peers/RequestSignature.ts"

const operator = new Uint8Array(32).fill(1)
const seed = new Uint8Array(32).fill(2)
const nodeSpk = Ed25519.publicKey(seed)
const named = { clusterName: "Mesh.Example.org.", nodeId: "node-a", nodeSpk }
const certificate = Either.getOrThrow(NodeCertificate.sign(named, operator))
const covered: RequestSignature.Covered = {
  method: "POST",
  path: "/v1/sync/pull",
  query: "?a=1",
  contentDigest: RequestSignature.digestOf(Buffer.from("{}")),
  to: "node-b",
  certificate
}
const parameters = { created: 1_800_000_000, nonce: "A".repeat(22), keyId: "node-a" }
const headers = RequestSignature.sign(covered, parameters, seed)
const input = headers["signature-input"] ?? ""
const signature = headers["signature"] ?? ""
const read = Either.getOrThrow(RequestSignature.read(input, signature))

describe("a signature of a sync request", () => {
  it("is an HTTP message signature over method, target, body, addressee and moment", () => {
    assert.strictEqual(
      input,
      'dnsmesh=("@method" "@path" "@query" "content-digest" "dnsmesh-to" "dnsmesh-certificate")' +
        ';created=1800000000;nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="node-a";alg="ed25519";tag="dnsmesh-sync"'
    )
    // RFC 9530, appendix D: the digest of `{}` is what everybody's is.
    assert.strictEqual(
      headers["content-digest"],
      "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"
    )
    const { input: _, octets: __, ...rest } = read
    assert.deepStrictEqual(rest, parameters)
    assert.isTrue(RequestSignature.holds(covered, read, nodeSpk))
  })

  it("covers the octets RFC 9421 says, in its order", () => {
    const base = [
      '"@method": POST',
      '"@path": /v1/sync/pull',
      '"@query": ?a=1',
      `"content-digest": ${covered.contentDigest}`,
      '"dnsmesh-to": node-b',
      `"dnsmesh-certificate": ${certificate}`,
      `"@signature-params": ${input.slice("dnsmesh=".length)}`
    ].join("\n")
    assert.isTrue(Ed25519.verify(nodeSpk, Buffer.from(base), read.octets))
    // An absent query is a question mark alone (RFC 9421 §2.2.7).
    const bare = RequestSignature.sign({ ...covered, query: "" }, parameters, seed)
    const octets = Either.getOrThrow(
      RequestSignature.read(bare["signature-input"], bare["signature"])
    ).octets
    assert.isTrue(Ed25519.verify(nodeSpk, Buffer.from(base.replace("?a=1", "?")), octets))
  })

  it.each([
    { method: "GET" },
    { path: "/v1/sync/digest" },
    { query: "?a=2" },
    { query: "" },
    { contentDigest: RequestSignature.digestOf(Buffer.from("{ }")) },
    { to: "node-c" },
    { certificate: `${certificate}x` }
  ])("does not hold for another request: %o", (change) => {
    assert.isFalse(RequestSignature.holds({ ...covered, ...change }, read, nodeSpk))
  })

  it("is no signature of a mesh record, and no certificate is one either", () => {
    // Whatever the fields hold, what is signed begins with words no record's body begins with.
    fc.assert(
      fc.property(fc.string(), fc.string(), (path, to) => {
        const made = RequestSignature.sign({ ...covered, path, to }, parameters, operator)
        const { octets } = Either.getOrThrow(
          RequestSignature.read(made["signature-input"], made["signature"])
        )
        assert.isFalse(Ed25519.verify(Ed25519.publicKey(operator), Buffer.from(path), octets))
      })
    )
    const manifest = Either.getOrThrow(
      ClusterManifest.sign(
        {
          clusterName: "mesh.example.org",
          operatorSpk: Ed25519.publicKey(operator),
          nodes: [{ nodeId: "node-a", httpEndpoint: "http://a", dnsEndpoint: "" }],
          seq: 1n,
          exp: 1_900_000_000
        },
        operator
      )
    )
    const signed = Buffer.from(manifest.slice("v=dmp1;t=cluster;".length), "base64").subarray(-64)
    const forged = certificate.replace(/[^;]*$/, signed.toString("base64url"))
    assert.isTrue(Either.isRight(NodeCertificate.parse(forged)))
    assert.isTrue(Either.isLeft(NodeCertificate.verify(forged, Ed25519.publicKey(operator))))
  })

  it("has a nonce of one length, made for one process where its mark is known", () => {
    const mark = RequestSignature.newMark()
    assert.strictEqual(RequestSignature.markIn(mark), mark)
    for (const odd of [undefined, "", `${mark}x`, "a mark!!", [mark]])
      assert.isUndefined(RequestSignature.markIn(odd))
    for (const known of [undefined, mark]) {
      const made = [0, 1].map(() => RequestSignature.newNonce(known))
      assert.strictEqual(new Set(made).size, 2)
      for (const nonce of made) {
        assert.match(nonce, /^[A-Za-z0-9_-]{22}$/)
        assert.strictEqual(nonce.startsWith(mark), known === mark)
      }
    }
  })

  it("is read in exactly one form", () => {
    const refused = (i: string | undefined, s: string | undefined) =>
      assert.isTrue(Either.isLeft(RequestSignature.read(i, s)), String(i))
    refused(undefined, signature)
    refused(input, undefined)
    refused(input, signature.replace("dnsmesh=", "other="))
    refused(input, `${signature}, other=:AAAA:`)
    refused(input, signature.replace(/.==:$/, "=:"))
    refused(input.replace('"@method" ', ""), signature)
    refused(input.replace("ed25519", "hmac-sha256"), signature)
    refused(`${input};expires=1`, signature)
    refused(input.replace(/created=[0-9]+/, "created=1e9"), signature)
    refused(input.replace(/created=[0-9]+/, "created=-1"), signature)
    refused(input.replace("node-a", 'a"b'), signature)
    refused(input.replace(/nonce="[^"]*"/, 'nonce=""'), signature)
    fc.assert(
      fc.property(fc.string(), fc.string(), (i, s) => {
        assert.isTrue(Either.isLeft(RequestSignature.read(i, s)))
      })
    )
  })
})

describe("a node's certificate", () => {
  it("says whose key it is, under the operator's key alone", () => {
    const verified = Either.getOrThrow(
      NodeCertificate.verify(certificate, Ed25519.publicKey(operator))
    )
    assert.strictEqual(verified.clusterName, "mesh.example.org")
    assert.strictEqual(verified.nodeId, "node-a")
    assert.deepStrictEqual(Buffer.from(verified.nodeSpk), Buffer.from(nodeSpk))
    assert.isTrue(Either.isLeft(NodeCertificate.verify(certificate, nodeSpk)))
    for (const [from, to] of [
      ["mesh.", "mash."],
      ["node-a", "node-b"],
      [
        Buffer.from(nodeSpk).toString("hex"),
        Buffer.from(Ed25519.publicKey(operator)).toString("hex")
      ]
    ] as const)
      assert.isTrue(
        Either.isLeft(
          NodeCertificate.verify(certificate.replace(from, to), Ed25519.publicKey(operator))
        )
      )
  })

  it("has one spelling, and no key that signs for everybody", () => {
    const refused = (text: string) =>
      assert.isTrue(Either.isLeft(NodeCertificate.parse(text)), text)
    refused("")
    refused(`${certificate}\n`)
    refused(certificate.toUpperCase())
    refused(certificate.replace("mesh.example.org", "mesh..org"))
    refused(certificate.replace(Buffer.from(nodeSpk).toString("hex"), "00".repeat(32)))
    // The last of 86 characters has bits that count for nothing: only as zeros.
    refused(certificate.replace(/.$/, "B"))
    fc.assert(fc.property(fc.string(), (text) => refused(text)))
    assert.isTrue(Either.isLeft(NodeCertificate.sign({ ...named, nodeId: "a;b" }, operator)))
  })

  it("comes with the key it is for, on one line", () => {
    const identity = Option.getOrThrow(
      NodeIdentity.parse(`${NodeIdentity.write(seed, certificate)}\n`)
    )
    assert.strictEqual(identity.nodeId, "node-a")
    assert.deepStrictEqual(Buffer.from(Redacted.value(identity.seed)), Buffer.from(seed))
    assert.isTrue(Option.isNone(NodeIdentity.parse(NodeIdentity.write(operator, certificate))))
    assert.isTrue(Option.isNone(NodeIdentity.parse(certificate)))
    assert.isTrue(Option.isNone(NodeIdentity.parse(`${"00".repeat(32)} `)))
  })
})

describe("NonceMemory", () => {
  it("knows each nonce for its time, by signer, and refuses rather than forgets", () => {
    const memory = new NonceMemory(2)
    assert.strictEqual(memory.take("a", "1", 0, 120), "new")
    assert.strictEqual(memory.take("a", "1", 120, 240), "replayed")
    assert.strictEqual(memory.take("b", "1", 0, 120), "new")
    assert.strictEqual(memory.take("a", "2", 50, 170), "new")
    assert.strictEqual(memory.take("a", "3", 60, 180), "full")
    assert.strictEqual(memory.take("a", "3", 121, 241), "new")
    assert.strictEqual(memory.take("a", "2", 121, 241), "replayed")
    memory.retain(new Set(["b"]))
    assert.strictEqual(memory.size, 1)
  })
})

describe("tokens of single peers", () => {
  it("are read from commas and lines, by id or by URL in one spelling", () => {
    const tokens = Option.getOrThrow(
      PeerTokens.parse("node-a=12345678, HTTP://B.example:80/=a=b=c=d=e\nnode-a=abcdefgh\n")
    )
    assert.deepStrictEqual(
      tokens.map(({ peer, token }) => [peer, Redacted.value(token)]),
      [
        ["node-a", "12345678"],
        ["http://b.example", "a=b=c=d=e"],
        ["node-a", "abcdefgh"]
      ]
    )
    assert.isTrue(PeerTokens.repeats(tokens))
    assert.isFalse(PeerTokens.repeats(tokens.slice(1)))
  })

  it.each([
    "token",
    "a=",
    "a=short",
    "=12345678",
    "a b=12345678",
    "ftp://a=12345678",
    "a=1234 5678"
  ])("are refused whole when one is odd: %s", (text) =>
    assert.isTrue(Option.isNone(PeerTokens.parse(`node-a=12345678,${text}`)))
  )
})
