/** Registration: the order of checks, what is proven, and who gets a subject. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted, TestClock } from "effect"
import * as Identity from "../../src/dmp/Identity.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import { Audit } from "../../src/auth/Audit.ts"
import { Registration } from "../../src/auth/Registration.ts"
import * as Request from "../../src/auth/RegistrationRequest.ts"
import * as Subject from "../../src/auth/Subject.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import * as TsigMint from "../../src/auth/TsigMint.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import * as X25519 from "../../src/auth/X25519.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { ask, credentials } from "./Fixture.ts"
import { alice, claimOf, rowFor } from "./TokenStoreSuite.ts"

const seedOf = (n: number) => Buffer.alloc(32, n)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const spkOf = (n: number) => hex(Ed25519.publicKey(seedOf(n)))
const xKey = seedOf(77)
const xPub = X25519.publicKey(xKey)

/** A signed request by the key of seed `n`, with what its proof of possession needs. */
const signed = (n: number, subject = "alice@example.com") =>
  Effect.flatMap(Registration, (registration) =>
    Effect.map(registration.challenge, (issued) => {
      const challenge = Buffer.from(issued.challenge, "hex")
      const payload = Request.signedOctets(challenge, Subject.unsafeMake(subject), issued.node)
      return {
        subject,
        ed25519_spk: spkOf(n),
        challenge: issued.challenge,
        signature: hex(Ed25519.sign(seedOf(n), payload)),
        server: Buffer.from(issued.serverX25519Pub, "hex"),
        octets: challenge
      }
    })
  )

const confirm = (fields: Request.Fields) =>
  Effect.flatMap(Registration, ({ token }) => Effect.either(token(fields, "192.0.2.7")))
const tsigConfirm = (fields: Request.Fields) =>
  Effect.flatMap(Registration, ({ tsigKey }) => Effect.either(tsigKey(fields, "192.0.2.7")))

const reasonOf = (answer: Either.Either<unknown, { readonly _tag: string }>) =>
  Either.match(answer, {
    onLeft: (error) => String("reason" in error ? error.reason : error._tag),
    onRight: () => "ok"
  })
const messageOf = (answer: Either.Either<unknown, unknown>) =>
  Either.isLeft(answer) ? String(Reflect.get(Object(answer.left), "message")) : "ok"

const register = (n: number, subject?: string) => Effect.flatMap(signed(n, subject), confirm)
const registerTsig = (n: number, subject?: string, more: Request.Fields = {}) =>
  Effect.flatMap(signed(n, subject), (request) => tsigConfirm({ ...request, ...more }))

const put = (owner: string, value: string) =>
  Effect.map(AnswerIndex, (zone) =>
    zone.apply([
      {
        _tag: "Put",
        row: { owner: unsafeMake(owner), value, ttl: 60, createdAt: 0, expiresAt: 86_400 }
      }
    ])
  )
const identityOf = (n: number) =>
  Either.getOrThrow(
    Identity.sign(
      {
        username: "alice",
        x25519Pk: seedOf(9),
        ed25519Spk: Ed25519.publicKey(seedOf(n)),
        ts: 0,
        versions: [1]
      },
      seedOf(n)
    )
  )
const rotationOf = (from: number, to: number) =>
  Either.getOrThrow(
    Rotation.sign(
      {
        subject: { kind: "user", name: "alice@example.com" },
        oldSpk: Ed25519.publicKey(seedOf(from)),
        newSpk: Ed25519.publicKey(seedOf(to)),
        seq: 1n,
        ts: 0,
        exp: 80_000
      },
      seedOf(from),
      seedOf(to)
    )
  )
const idName = `id-${Subject.hash16(alice)}.example.com`

describe("Registration vectors", () => {
  it("signs the octets every client signs", () => {
    const seed = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
    const octets = Request.signedOctets(Buffer.alloc(32, 0xaa), alice, "dmp.example.com")
    assert.strictEqual(octets.length, 65)
    assert.strictEqual(
      hex(Ed25519.sign(seed, octets)),
      "046ca653928a1200c94a84c827f6bff2c61d4af264854923305c756f3bc9326b6e1ffa1e903e5105b9163454f148972b045190040ee999647361089f7ee4a503"
    )
  })

  it("proves possession as every client proves it", () => {
    const [server, client] = [seedOf(1), seedOf(2)]
    const pub = X25519.publicKey(client)
    assert.strictEqual(
      hex(X25519.publicKey(server)),
      "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"
    )
    const secret = X25519.sharedSecret(server, pub)
    assert.strictEqual(
      secret._tag === "Some" && hex(secret.value),
      "2ed76ab549b1e73c031eb49c9448f0798aea81b698279a0c3dc3e49fbfc4b953"
    )
    assert.strictEqual(
      secret._tag === "Some" && hex(X25519.proof(secret.value, Buffer.alloc(32, 0xaa), alice, pub)),
      "5a3ce093a79a66c2a48536bcddaa489e5976ed0e53522ab06da2de6862d69345"
    )
  })

  it("names keys as every release names them", () => {
    const spk = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    const name = TsigMint.keyName(alice, spk, unsafeMake("example.com"))
    assert.strictEqual(name, "alice-03a107bf-ff8d98.example.com")
  })
})

describe("Registration", () => {
  it.effect("issues a token that works at once and replaces the one before", () =>
    Effect.gen(function* () {
      const first = Either.getOrThrow(yield* register(1))
      assert.strictEqual(first.subject, alice)
      assert.strictEqual(first.expiresAt, 7_776_000)
      assert.deepStrictEqual([first.ratePerSec, first.rateBurst], [10, 50])
      assert.strictEqual(yield* ask(Redacted.value(first.token), idName), "Granted")
      const second = Either.getOrThrow(yield* register(1))
      assert.strictEqual(yield* ask(Redacted.value(first.token), idName), "Unauthorized")
      assert.strictEqual(yield* ask(Redacted.value(second.token), idName), "Granted")
      assert.notInclude(JSON.stringify(second), "dmp_v1_")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("checks the form first, in the order clients rely on", () =>
    Effect.gen(function* () {
      const good = yield* signed(1)
      const refused = (fields: Request.Fields) => Effect.map(confirm(fields), messageOf)
      const missing = (field: string) => `missing or non-string field: ${field}`
      assert.strictEqual(yield* refused({}), missing("subject"))
      assert.strictEqual(yield* refused({ subject: "x" }), missing("ed25519_spk"))
      assert.strictEqual(yield* refused({ ...good, challenge: 7 }), missing("challenge"))
      assert.strictEqual(yield* refused({ ...good, signature: "" }), missing("signature"))
      assert.strictEqual(
        yield* refused({ ...good, subject: "mallory" }),
        "subject invalid: subject does not match <local>@<fqdn> shape: 'mallory'"
      )
      assert.strictEqual(
        yield* refused({ ...good, ed25519_spk: "11" }),
        "ed25519_spk: expected 32 bytes, got 1"
      )
      assert.strictEqual(yield* refused({ ...good, signature: "zz" }), "signature: not valid hex")
      assert.strictEqual(
        yield* refused({ ...good, challenge: "é".repeat(64) }),
        "challenge: not valid hex"
      )
      // None of those used the challenge up.
      assert.strictEqual(yield* refused(good), "ok")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("takes a challenge once, whatever came of it, within its minute", () =>
    Effect.gen(function* () {
      const good = yield* signed(1)
      const forged = { ...good, signature: "22".repeat(64) }
      assert.strictEqual(reasonOf(yield* confirm(forged)), "bad-signature")
      assert.strictEqual(reasonOf(yield* confirm(good)), "challenge-unknown")
      const spelled = yield* signed(1)
      const upper = { ...spelled, challenge: spelled.challenge.toUpperCase() }
      assert.strictEqual(reasonOf(yield* confirm(upper)), "challenge-unknown")
      const late = yield* signed(1)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(reasonOf(yield* confirm(late)), "challenge-unknown")
      const invented = { ...late, challenge: "ab".repeat(32) }
      assert.strictEqual(reasonOf(yield* confirm(invented)), "challenge-unknown")
      const next = yield* signed(1)
      const flipped = `${next.challenge.slice(0, 7)}${next.challenge[7] === "0" ? "1" : "0"}${next.challenge.slice(8)}`
      assert.strictEqual(
        reasonOf(yield* confirm({ ...next, challenge: flipped })),
        "challenge-unknown"
      )
      assert.strictEqual(reasonOf(yield* tsigConfirm(next)), "ok")
      assert.strictEqual(reasonOf(yield* confirm(next)), "challenge-unknown")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("does not let any number of challenges push out an honest one", () =>
    Effect.gen(function* () {
      const good = yield* signed(1)
      const { challenge } = yield* Registration
      yield* Effect.replicateEffect(challenge, 12_000, { discard: true })
      assert.strictEqual(reasonOf(yield* confirm(good)), "ok")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("keeps challenges across a change of secrets", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("535 seconds")
      const before = yield* signed(1)
      yield* TestClock.adjust("30 seconds")
      yield* signed(2, "bob@example.com")
      assert.strictEqual(reasonOf(yield* confirm(before)), "ok")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("answers who cannot sign alike, whatever is registered or allowed", () =>
    Effect.gen(function* () {
      yield* register(1)
      for (const subject of ["alice@example.com", "free@example.com", "eve@not-allowed.org"]) {
        const request = { ...(yield* signed(2, subject)), signature: "22".repeat(64) }
        assert.strictEqual(messageOf(yield* confirm(request)), "signature verification failed")
      }
      // A key of small order signs everything, were it let.
      const small = { ...(yield* signed(2)), ed25519_spk: `01${"00".repeat(31)}` }
      const forged = { ...small, signature: `01${"00".repeat(63)}` }
      assert.strictEqual(reasonOf(yield* confirm(forged)), "bad-signature")
      assert.strictEqual(reasonOf(yield* register(2, "eve@not-allowed.org")), "not-allowed")
      assert.strictEqual(reasonOf(yield* register(2, "eve@sub.example.com")), "not-allowed")
      assert.strictEqual(reasonOf(yield* register(2)), "taken")
    }).pipe(Effect.provide(credentials({ DMP_REGISTRATION_ALLOWLIST: "Example.com., other.org" })))
  )

  it.effect("verifies over the canonical subject, as clients up to now expect", () =>
    Effect.gen(function* () {
      assert.strictEqual(reasonOf(yield* register(1, "Bob@Example.com")), "bad-signature")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("knows one owner across tokens and TSIG keys, either way round", () =>
    Effect.gen(function* () {
      assert.strictEqual(reasonOf(yield* register(1)), "ok")
      assert.strictEqual(reasonOf(yield* registerTsig(2)), "taken")
      assert.strictEqual(reasonOf(yield* registerTsig(1)), "ok")
      assert.strictEqual(reasonOf(yield* registerTsig(3, "bob@example.com")), "ok")
      assert.strictEqual(reasonOf(yield* register(4, "bob@example.com")), "taken")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("lets one key win a subject raced for over both routes", () =>
    Effect.gen(function* () {
      const requests = yield* Effect.forEach([1, 2, 3, 4], (n) => signed(n))
      const answers = yield* Effect.forEach(
        requests,
        (request, at) =>
          at % 2 === 0
            ? Effect.map(confirm(request), reasonOf)
            : Effect.map(tsigConfirm(request), reasonOf),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...answers].sort(), ["ok", "taken", "taken", "taken"])
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("keeps what the operator issued from self-registration", () =>
    Effect.gen(function* () {
      const row = rowFor(alice, { registeredSpk: null })
      yield* (yield* TokenStore).mint("issue", row, claimOf(row))
      assert.strictEqual(reasonOf(yield* register(1)), "taken")
      assert.strictEqual(reasonOf(yield* registerTsig(1)), "taken")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("keeps a subject with its key for a year past the end of its credential", () =>
    Effect.gen(function* () {
      yield* register(1)
      const owner = yield* (yield* TokenStore).findOwner(alice)
      assert.strictEqual(owner?.reservedUntil, 7_776_000 + 365 * 86_400)
      yield* (yield* TokenStore).revokeSubject(alice, 1)
      assert.strictEqual(reasonOf(yield* register(2)), "taken")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("lets a subject go when its reservation is over, and not before", () =>
    Effect.gen(function* () {
      yield* register(1)
      yield* TestClock.adjust("99 seconds")
      assert.strictEqual(reasonOf(yield* register(2)), "taken")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(reasonOf(yield* register(2)), "ok")
      assert.strictEqual(reasonOf(yield* register(1)), "taken")
    }).pipe(
      Effect.provide(
        credentials({
          DMP_REGISTRATION_TOKEN_TTL_SECONDS: "100",
          DMP_OWNERSHIP_RETENTION_DAYS: "0"
        })
      )
    )
  )

  it.effect("refuses a banned subject, and its key under any other", () =>
    Effect.gen(function* () {
      yield* register(1)
      yield* (yield* TokenStore).ban(alice, 1, "")
      assert.strictEqual(reasonOf(yield* register(1)), "banned")
      assert.strictEqual(reasonOf(yield* registerTsig(1, "bob@example.com")), "banned")
      assert.strictEqual(reasonOf(yield* register(2)), "banned")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("follows a co-signed rotation, ends the former key's credentials, and never back", () =>
    Effect.gen(function* () {
      const old = Either.getOrThrow(yield* register(1))
      const oldKey = Either.getOrThrow(yield* registerTsig(1))
      assert.strictEqual(reasonOf(yield* register(2)), "taken")
      yield* put(`rotate.${idName}`, rotationOf(1, 3))
      yield* put(`rotate.${idName}`, rotationOf(3, 2))
      assert.strictEqual(reasonOf(yield* register(4)), "taken")
      assert.strictEqual(reasonOf(yield* register(2)), "ok")
      assert.strictEqual(yield* ask(Redacted.value(old.token), idName), "Unauthorized")
      assert.isTrue((yield* (yield* TsigKeyStore).find(oldKey.name))?.revoked)
      assert.strictEqual(reasonOf(yield* register(1)), "taken")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("gives a name with a published identity to its signer alone", () =>
    Effect.gen(function* () {
      yield* put(idName, identityOf(5))
      yield* put(idName, "v=dmp1;t=identity;d=AAAA")
      assert.strictEqual(reasonOf(yield* register(1)), "taken")
      assert.strictEqual(reasonOf(yield* registerTsig(1)), "taken")
      assert.strictEqual(reasonOf(yield* register(5)), "ok")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("leaves a line about who could sign and was refused, and about every TSIG key", () =>
    Effect.gen(function* () {
      yield* registerTsig(1)
      yield* register(2)
      yield* confirm({})
      for (let i = 0; i < 3; i++) yield* register(2)
      yield* (yield* Audit).flush
      const rows = yield* (yield* TokenStore).tailAudit({ limit: 10 })
      assert.deepStrictEqual(
        rows.map((row) => [row.event, row.subject, row.remoteAddr, row.detail]),
        [
          ["registration", null, "192.0.2.0", "token refused: taken"],
          [
            "issued",
            alice,
            "192.0.2.0",
            `self-service: TSIG key alice-${spkOf(1).slice(0, 8)}-ff8d98.example.com`
          ]
        ]
      )
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("mints identity names for subjects of the served zone only", () =>
    Effect.gen(function* () {
      yield* registerTsig(1)
      const evil = Either.getOrThrow(yield* registerTsig(2, "alice@evil.org"))
      assert.isFalse(evil.allowedSuffixes.some((suffix) => /^(?:id-|dmp\.)/.test(suffix)))
      const own = Either.getOrThrow(yield* registerTsig(1))
      assert.strictEqual(own.name, `alice-${spkOf(1).slice(0, 8)}-ff8d98.example.com`)
      assert.strictEqual(own.zone, "example.com")
      assert.deepStrictEqual(own.allowedSuffixes, [
        "_dnsmesh-claim-*.example.com",
        `_dnsmesh-claim-${spkOf(1).slice(0, 16)}.example.com`,
        "chunk-*-*.example.com",
        "claim-*.mb-*.example.com",
        "dmp.alice.example.com",
        "id-2bd806c97f0e.example.com",
        "id-2bd806c97f0e00af.example.com",
        "slot-*.mb-*.example.com"
      ])
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("takes from older keys the names of people of the zone they are not", () =>
    Effect.gen(function* () {
      const keys = yield* TsigKeyStore
      const key = {
        algorithm: "hmac-sha256",
        secret: new Uint8Array(32),
        allowedSuffixes: ["id-2bd806c97f0e.example.com", "id-2bd806c97f0e00af.example.com", "x.y"],
        createdAt: 0,
        expiresAt: 0,
        revoked: false,
        registeredSpk: spkOf(1),
        registeredX25519Pub: ""
      }
      yield* keys.put({ ...key, name: "evil.example.com", subject: "alice@evil.org" })
      yield* keys.put({ ...key, name: "own.example.com", subject: alice })
      const suffixes = (name: string) =>
        Effect.map(keys.find(name), (found) => found?.allowedSuffixes)
      yield* Effect.provide(Registration, Layer.fresh(Registration.layer))
      assert.deepStrictEqual(yield* suffixes("evil.example.com"), ["x.y"])
      assert.deepStrictEqual(yield* suffixes("own.example.com"), key.allowedSuffixes)
      // Both hold their subject from now on, by the key on the row.
      assert.strictEqual(reasonOf(yield* register(2)), "taken")
      assert.strictEqual(reasonOf(yield* register(1)), "ok")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("overwrites the key of the same holder: the old secret is dead at once", () =>
    Effect.gen(function* () {
      const first = Either.getOrThrow(yield* registerTsig(1))
      const second = Either.getOrThrow(yield* registerTsig(1))
      assert.strictEqual(first.name, second.name)
      assert.notDeepEqual(Redacted.value(first.secret), Redacted.value(second.secret))
      const kept = yield* (yield* TsigKeyStore).find(first.name)
      assert.deepStrictEqual(kept?.secret, Redacted.value(second.secret))
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("refuses a local part that makes no label", () =>
    Effect.gen(function* () {
      assert.strictEqual(reasonOf(yield* registerTsig(1, `${"a".repeat(47)}@example.com`)), "ok")
      assert.match(
        messageOf(yield* registerTsig(2, `${"b".repeat(48)}@example.com`)),
        /^subject local part too long for TSIG key label/
      )
    }).pipe(Effect.provide(credentials()))
  )
})

describe("Registration proof of possession", () => {
  const attempt = (
    fields: (request: Effect.Effect.Success<ReturnType<typeof signed>>) => Request.Fields
  ) => Effect.flatMap(signed(1), (request) => tsigConfirm({ ...request, ...fields(request) }))
  const mailbox = (answer: Effect.Effect.Success<ReturnType<typeof attempt>>) =>
    Either.match(answer, {
      onLeft: ({ message }) => message,
      onRight: ({ allowedSuffixes }) =>
        allowedSuffixes.filter((suffix) => suffix.startsWith("mb-")).join()
    })
  const proofOver = (
    { octets, server }: { readonly octets: Uint8Array; readonly server: Uint8Array },
    subject: string = alice,
    pub: Uint8Array = xPub
  ) => {
    const secret = X25519.sharedSecret(xKey, server)
    return secret._tag === "Some" ? hex(X25519.proof(secret.value, octets, subject, pub)) : ""
  }
  const wrong =
    "x25519_pop verification failed: registrant did not prove possession of the claimed X25519 key"

  it.effect("grants the mailbox to a proven key alone", () =>
    Effect.gen(function* () {
      const pub = hex(xPub)
      const granted = yield* attempt((r) => ({ x25519_pub: pub, x25519_pop: proofOver(r) }))
      assert.match(mailbox(granted), /^mb-[0-9a-f]{12}\.example\.com$/)
      for (const none of [{}, { x25519_pub: "" }, { x25519_pub: 7, x25519_pop: "xx" }])
        assert.strictEqual(mailbox(yield* attempt(() => none)), "")
      for (const legacy of [{}, { x25519_pop: "" }, { x25519_pop: 7 }]) {
        const answer = yield* attempt(() => ({ x25519_pub: pub, ...legacy }))
        assert.strictEqual(mailbox(answer), "")
        const name = Either.getOrThrow(answer).name
        assert.strictEqual((yield* (yield* TsigKeyStore).find(name))?.registeredX25519Pub, "")
      }
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("refuses malformed, wrong and replayed proofs", () =>
    Effect.gen(function* () {
      const pub = hex(xPub)
      const earlier = yield* signed(1)
      const cases: ReadonlyArray<[string, Parameters<typeof attempt>[0]]> = [
        ["x25519_pub: not valid hex", () => ({ x25519_pub: "zz" })],
        ["x25519_pub: expected 32 bytes, got 1", () => ({ x25519_pub: "11" })],
        ["x25519_pop: not valid hex", () => ({ x25519_pub: pub, x25519_pop: "q" })],
        ["x25519_pop: expected 32 bytes, got 2", () => ({ x25519_pub: pub, x25519_pop: "1111" })],
        [wrong, () => ({ x25519_pub: pub, x25519_pop: "00".repeat(32) })],
        [wrong, () => ({ x25519_pub: pub, x25519_pop: proofOver(earlier) })],
        [wrong, (r) => ({ x25519_pub: pub, x25519_pop: proofOver(r, "bob@example.com") })],
        [wrong, (r) => ({ x25519_pub: hex(seedOf(9)), x25519_pop: proofOver(r) })],
        [wrong, () => ({ x25519_pub: "00".repeat(32), x25519_pop: "00".repeat(32) })]
      ]
      for (const [message, fields] of cases)
        assert.strictEqual(mailbox(yield* attempt(fields)), message)
      assert.deepStrictEqual(yield* (yield* TsigKeyStore).list, [])
    }).pipe(Effect.provide(credentials()))
  )
})
