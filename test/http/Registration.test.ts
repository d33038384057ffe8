/** The registration routes over a real socket: bytes, statuses, budgets, and what is cached. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { TokenAuth } from "../../src/auth/TokenAuth.ts"
import { Registration } from "../../src/auth/Registration.ts"
import * as Request from "../../src/auth/RegistrationRequest.ts"
import * as Subject from "../../src/auth/Subject.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import { credentials } from "../auth/Fixture.ts"
import { type Answer, ask, closed, start, type TestNode } from "./TestNode.ts"

const node = (overrides: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const services = yield* Effect.orDie(Layer.build(credentials(overrides)))
    const all = Layer.succeedContext(services)
    return yield* start({
      auth: closed("multi-tenant"),
      tokens: all as Layer.Layer<TokenAuth>,
      registration: all as Layer.Layer<Registration>,
      http: { trustedProxies: ["127.0.0.1/32"] }
    })
  })

const path = "/v1/registration"
const post = (at: TestNode, route: string, body: unknown, from = "192.0.2.1") =>
  ask(at, "POST", `${path}/${route}`, {
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-Forwarded-For": from }
  })
const challenge = (at: TestNode, from = "192.0.2.1") =>
  ask(at, "GET", `${path}/challenge`, { headers: { "X-Forwarded-For": from } })

const signed = (answer: Answer, subject: string, seed = Buffer.alloc(32, 1)) => ({
  subject,
  ed25519_spk: Buffer.from(Ed25519.publicKey(seed)).toString("hex"),
  challenge: answer.json.challenge,
  signature: Buffer.from(
    Ed25519.sign(
      seed,
      Request.signedOctets(
        Buffer.from(String(answer.json["challenge"]), "hex"),
        Subject.unsafeMake(subject),
        String(answer.json["node"])
      )
    )
  ).toString("hex")
})

const live = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive(title, () => body)

describe("Registration over HTTP", () => {
  live(
    "answers as recorded clients were answered",
    Effect.gen(function* () {
      const at = yield* node()
      const given = yield* challenge(at)
      assert.strictEqual(given.status, 200)
      assert.deepStrictEqual(Object.keys(given.json), [
        "challenge",
        "node",
        "expires_at",
        "server_x25519_pub",
        "version"
      ])
      assert.match(String(given.json["challenge"]), /^[0-9a-f]{64}$/)
      assert.match(String(given.json["server_x25519_pub"]), /^[0-9a-f]{64}$/)
      assert.strictEqual(given.json.node, "dmp.example.com")
      assert.strictEqual(given.headers.get("cache-control"), "no-store")
      const fake = {
        subject: "mallory@mesh.e2e.test",
        ed25519_spk: "11".repeat(32),
        challenge: given.json.challenge,
        signature: "22".repeat(64)
      }
      const recorded: ReadonlyArray<[unknown, number, string]> = [
        [{}, 400, "missing or non-string field: subject"],
        [{ ...fake, ed25519_spk: "11" }, 400, "ed25519_spk: expected 32 bytes, got 1"],
        [
          { ...fake, subject: "mallory" },
          400,
          "subject invalid: subject does not match <local>@<fqdn> shape: 'mallory'"
        ],
        [fake, 401, "signature verification failed"],
        [fake, 400, "challenge expired or unknown"]
      ]
      for (const [at_, [body, status, error]] of recorded.entries()) {
        const answer = yield* post(at, "confirm", body, `192.0.2.${at_ + 10}`)
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.json.error, error)
      }
    })
  )

  live(
    "issues a token that writes, and hides it from caches",
    Effect.gen(function* () {
      const at = yield* node()
      const answer = yield* post(at, "confirm", signed(yield* challenge(at), "alice@example.com"))
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(Object.keys(answer.json), [
        "token",
        "subject",
        "expires_at",
        "rate_per_sec",
        "rate_burst"
      ])
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      const write = (name: string) =>
        ask(at, "POST", `/v1/records/${name}`, {
          body: JSON.stringify({ value: "v=dmp1;t=e2e;x", ttl: 60 }),
          headers: { Authorization: `Bearer ${answer.json.token}` }
        })
      const own = `id-${Subject.hash16(Subject.unsafeMake("alice@example.com"))}.example.com`
      assert.strictEqual((yield* write(own)).status, 201)
      const foreign = yield* write("cluster.example.com")
      assert.strictEqual(foreign.status, 403)
      assert.include(foreign.json.error, "token scope")
      const other = signed(yield* challenge(at), "alice@example.com", Buffer.alloc(32, 2))
      const taken = yield* post(at, "confirm", other)
      assert.strictEqual(taken.status, 409)
      assert.strictEqual(
        taken.json.error,
        "subject already has a live token; re-registration must be signed with the previously-registered Ed25519 key"
      )
    })
  )

  live(
    "issues a TSIG key in the form every client reads",
    Effect.gen(function* () {
      const at = yield* node({ DMP_REGISTRATION_TOKEN_TTL_SECONDS: "0" })
      const answer = yield* post(
        at,
        "tsig-confirm",
        signed(yield* challenge(at), "alice@example.com")
      )
      assert.strictEqual(answer.status, 200)
      const { allowed_suffixes, tsig_key_name, tsig_secret_hex, ...rest } = answer.json
      assert.match(String(tsig_key_name), /^alice-[0-9a-f]{8}-ff8d98\.example\.com\.$/)
      assert.match(String(tsig_secret_hex), /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(allowed_suffixes, [...Object(allowed_suffixes)].sort())
      assert.deepStrictEqual(rest, {
        tsig_algorithm: "hmac-sha256",
        subject: "alice@example.com",
        zone: "example.com",
        expires_at: 0
      })
    })
  )

  live(
    "refuses bodies that are no object, without using anything up",
    Effect.gen(function* () {
      const at = yield* node({ DMP_REGISTRATION_ENDPOINT_RATE_BURST: "50" })
      for (const body of ["[]", "null", "7", '"x"', "{", "\u0000", "x".repeat(20_000)]) {
        const answer = yield* post(at, "confirm", body)
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.json.error, "invalid body")
      }
      const empty = yield* post(at, "confirm", "")
      assert.strictEqual(empty.json.error, "missing or non-string field: subject")
    })
  )

  live(
    "has a budget for each step and each client behind a trusted proxy",
    Effect.gen(function* () {
      const at = yield* node({ DMP_REGISTRATION_ENDPOINT_RATE_BURST: "2" })
      const status = (answer: Answer) => answer.status
      assert.deepStrictEqual(
        [yield* challenge(at), yield* challenge(at), yield* challenge(at)].map(status),
        [200, 200, 429]
      )
      const spent = yield* challenge(at)
      assert.strictEqual(spent.json.error, "registration rate limit exceeded")
      assert.isAtLeast(Number(spent.headers.get("retry-after")), 1)
      assert.strictEqual(spent.headers.get("ratelimit-policy"), '"registration";q=2;w=1440')
      assert.match(spent.headers.get("ratelimit") ?? "", /^"registration";r=0;t=\d+$/)
      assert.deepStrictEqual(
        [
          yield* post(at, "confirm", {}),
          yield* post(at, "confirm", {}),
          yield* post(at, "confirm", {})
        ].map(status),
        [400, 400, 429]
      )
      assert.strictEqual((yield* post(at, "tsig-confirm", {})).status, 400)
      assert.strictEqual((yield* challenge(at, "192.0.2.99")).status, 200)
      // Addresses of one IPv6 subscriber share a budget.
      const six = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"]
      const answers = yield* Effect.forEach(six, (from) => challenge(at, from))
      assert.deepStrictEqual(answers.map(status), [200, 200, 429])
    })
  )

  live(
    "is not there unless it is on, in the mode that has users",
    Effect.gen(function* () {
      for (const off of [
        { DMP_REGISTRATION_ENABLED: "0" },
        { DMP_AUTH_MODE: "legacy" },
        { DMP_NODE_HOSTNAME: "" }
      ]) {
        const at = yield* node(off)
        const answer = yield* challenge(at)
        assert.strictEqual(answer.status, 404)
        assert.strictEqual(answer.json.error, "not found")
        assert.strictEqual((yield* post(at, "confirm", {})).status, 404)
      }
      const at = yield* node({ DMP_DNS_UPDATE_ENABLED: "0" })
      const answer = yield* post(at, "tsig-confirm", {})
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(answer.json.error, "tsig registration disabled")
      assert.strictEqual((yield* challenge(at)).status, 200)
    })
  )
})
