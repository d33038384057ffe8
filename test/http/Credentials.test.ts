/** The operator's credential routes, over a whole node and real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { Effect, Layer, Logger, LogLevel } from "effect"
import { Api } from "../../src/http/Api.ts"
import { operatorToken, start } from "../fixtures/WholeNode.ts"

const users = { DMP_AUTH_MODE: "multi-tenant", DMP_DNS_UPDATE_ENABLED: "1" }
const spk = "04".repeat(32)
const slot = `/v1/records/slot-1.mb-${"a".repeat(12)}.mesh.test`
const unknown = "ab".repeat(32)

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

const asking =
  (port: number) =>
  (
    method: string,
    path: string,
    body?: unknown,
    token: string | undefined = operatorToken
  ): Effect.Effect<Answer> =>
    Effect.promise(async () => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: token === "" ? {} : { authorization: `Bearer ${token}` },
        ...(body === undefined
          ? {}
          : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: text.startsWith("{") ? JSON.parse(text) : {}
      }
    })

const node = (environment: Readonly<Record<string, string>> = users) =>
  Effect.map(start(environment), ({ http }) => asking(http))

type Ask = ReturnType<typeof asking>

const rowsOf = ({ json }: Answer, member: "tokens" | "tsig_keys") =>
  json[member] as ReadonlyArray<Record<string, unknown>>

const issue = (ask: Ask, more: object = {}) =>
  Effect.map(ask("POST", "/v1/admin/tokens", { subject: "alice@mesh.test", ...more }), (answer) => {
    assert.strictEqual(answer.status, 201, answer.text)
    return { token: String(answer.json["token"]), hash: String(answer.json["token_hash"]) }
  })

const writes = (ask: Ask, token: string) =>
  Effect.map(ask("POST", slot, { value: "v=1", ttl: 60 }, token), ({ status }) => status)

/** The audit as the holder of `token` reads it. */
const trail = (ask: Ask, token: string) =>
  Effect.map(ask("GET", "/v1/account/audit", undefined, token), ({ json }) =>
    (json["entries"] as ReadonlyArray<Record<string, unknown>>)
      .filter(({ event }) => event === "issued" || event === "revoked")
      .map(({ detail, event, token }) => ({ detail, event, token }))
  )

const routes: ReadonlyArray<readonly [string, string]> = [
  ["GET", "/v1/admin/tokens"],
  ["POST", "/v1/admin/tokens"],
  ["DELETE", `/v1/admin/tokens/${unknown}`],
  ["POST", `/v1/admin/tokens/${unknown}/rotate`],
  ["POST", "/v1/admin/subjects/alice@mesh.test/rotate"],
  ["DELETE", "/v1/admin/subjects/alice@mesh.test/credentials"],
  ["GET", "/v1/admin/tsig-keys"],
  ["POST", "/v1/admin/tsig-keys"],
  ["DELETE", "/v1/admin/tsig-keys/x.mesh.test"],
  ["POST", "/v1/admin/tsig-keys/x.mesh.test/rotate"]
]

describe("/v1/admin/tokens", () => {
  it.scopedLive("issues a token that works at once, is shown once and listed without itself", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const made = yield* ask("POST", "/v1/admin/tokens", {
        subject: "Alice@mesh.test",
        expires: "90d",
        rate_per_sec: 0.5,
        rate_burst: 3,
        note: "her phone"
      })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(made.headers.get("cache-control"), "no-store")
      const { expires_at, issued_at, token, ...rest } = made.json
      assert.match(String(token), /^dmp_v1_[A-Z2-7]{52}$/)
      assert.strictEqual(Number(expires_at) - Number(issued_at), 90 * 86_400)
      assert.deepInclude(rest, {
        subject: "alice@mesh.test",
        rate_per_sec: 0.5,
        rate_burst: 3,
        note: "her phone",
        issuer: "api",
        live: true
      })
      assert.strictEqual(yield* writes(ask, String(token)), 201)
      const listed = yield* ask("GET", "/v1/admin/tokens")
      assert.notInclude(listed.text, String(token))
      assert.deepStrictEqual(rowsOf(listed, "tokens"), [{ ...rest, expires_at, issued_at }])
    })
  )

  it.scopedLive("lists live ones, those of a subject, all of them, a part of them", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const first = yield* issue(ask)
      yield* issue(ask, { subject: "bob@mesh.test" })
      yield* issue(ask)
      yield* ask("DELETE", `/v1/admin/tokens/${first.hash}`)
      const count = (query: string) =>
        Effect.map(ask("GET", `/v1/admin/tokens${query}`), (answer) => [
          rowsOf(answer, "tokens").length,
          answer.json["total"]
        ])
      assert.deepStrictEqual(yield* count(""), [2, 2])
      assert.deepStrictEqual(yield* count("?all=1"), [3, 3])
      assert.deepStrictEqual(yield* count("?subject=ALICE@mesh.test"), [1, 1])
      assert.deepStrictEqual(yield* count("?subject=alice@mesh.test&all=1"), [2, 2])
      assert.deepStrictEqual(yield* count("?subject=nobody@mesh.test"), [0, 0])
      assert.deepStrictEqual(yield* count("?limit=1"), [1, 2])
      assert.deepStrictEqual(yield* count("?offset=2"), [0, 2])
      for (const query of ["?subject=x", "?all=yes", "?limit=0", "?limit=10001", "?offset=-1"])
        assert.strictEqual((yield* ask("GET", `/v1/admin/tokens${query}`)).status, 400, query)
    })
  )

  it.scopedLive("revokes one: the next write with it is refused, with another it is not", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const one = yield* issue(ask)
      const other = yield* issue(ask)
      assert.strictEqual(yield* writes(ask, one.token), 201)
      assert.strictEqual((yield* ask("DELETE", `/v1/admin/tokens/${one.hash}`)).status, 204)
      assert.strictEqual(yield* writes(ask, one.token), 401)
      assert.strictEqual(yield* writes(ask, other.token), 201)
      const again = yield* ask("DELETE", `/v1/admin/tokens/${one.hash}`)
      assert.deepStrictEqual([again.status, again.json["code"]], [404, "no-such-token"])
      assert.deepStrictEqual(
        (yield* trail(ask, other.token)).map(({ event, token }) => [event, token]),
        [
          ["revoked", one.hash.slice(0, 12)],
          ["issued", other.hash.slice(0, 12)],
          ["issued", one.hash.slice(0, 12)]
        ]
      )
    })
  )

  it.scopedLive("rotates one, and leaves the subject's others alone", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const key = "05".repeat(32)
      const old = yield* issue(ask, { rate_burst: 7, expires: 3600, prekey_x25519_pub: key })
      const other = yield* issue(ask)
      const path = `/v1/admin/tokens/${old.hash}/rotate`
      assert.strictEqual((yield* ask("POST", path, { rate_burst: -1 })).status, 400)
      const made = yield* ask("POST", path)
      assert.strictEqual(made.status, 201)
      const { expires_at, issued_at, rate_burst, subject_hash12, token } = made.json
      assert.strictEqual(Number(expires_at) - Number(issued_at), 3600)
      assert.strictEqual(rate_burst, 7)
      assert.match(String(subject_hash12), /^[0-9a-f]{12}$/)
      assert.strictEqual(yield* writes(ask, old.token), 401)
      assert.strictEqual(yield* writes(ask, other.token), 201)
      assert.strictEqual(yield* writes(ask, String(token)), 201)
      assert.strictEqual((yield* ask("POST", path)).status, 404)
    })
  )

  it.scopedLive("rotates a subject: one new token in the place of all", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const olds = [yield* issue(ask), yield* issue(ask)]
      const made = yield* ask("POST", "/v1/admin/subjects/alice%40mesh.test/rotate", {
        rate_per_sec: 2
      })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(made.json["rate_per_sec"], 2)
      for (const { token } of olds) assert.strictEqual(yield* writes(ask, token), 401)
      assert.strictEqual(yield* writes(ask, String(made.json["token"])), 201)
    })
  )

  it.scopedLive("revokes everything of a subject, TSIG keys too, and of nobody else", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const key = { subject: "alice@mesh.test", ed25519_spk: spk }
      assert.strictEqual((yield* ask("POST", "/v1/admin/tsig-keys", key)).status, 201)
      const hers = yield* issue(ask)
      const his = yield* issue(ask, { subject: "bob@mesh.test" })
      const path = "/v1/admin/subjects/alice@mesh.test/credentials"
      const gone = yield* ask("DELETE", path)
      assert.deepStrictEqual([gone.status, gone.json["revoked"]], [200, 2])
      assert.strictEqual(yield* writes(ask, hers.token), 401)
      assert.strictEqual(yield* writes(ask, his.token), 201)
      assert.deepStrictEqual(rowsOf(yield* ask("GET", "/v1/admin/tsig-keys"), "tsig_keys"), [])
      assert.strictEqual((yield* ask("DELETE", path)).status, 404)
      assert.strictEqual(
        (yield* ask("DELETE", "/v1/admin/subjects/nobody/credentials")).status,
        400
      )
    })
  )
})

describe("/v1/admin/tsig-keys", () => {
  it.scopedLive("issues, lists, rotates and revokes a key, each with its line in the trail", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const subject = "alice@mesh.test"
      const early = yield* ask("POST", "/v1/admin/tsig-keys", { subject })
      assert.strictEqual(early.status, 400)
      assert.include(early.text, "has no Ed25519 key yet")
      const made = yield* ask("POST", "/v1/admin/tsig-keys", {
        subject,
        ed25519_spk: spk,
        expires: 3600
      })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(made.headers.get("cache-control"), "no-store")
      const { secret_hex, ...rest } = made.json
      assert.match(String(secret_hex), /^[0-9a-f]{64}$/)
      assert.deepInclude(rest, { subject, registered_spk: spk, active: true, revoked: false })
      const listed = yield* ask("GET", `/v1/admin/tsig-keys?subject=${subject}`)
      assert.deepStrictEqual(rowsOf(listed, "tsig_keys"), [rest])
      assert.notInclude(listed.text, String(secret_hex))

      const path = `/v1/admin/tsig-keys/${rest["name"]}`
      const rotated = yield* ask("POST", `${path}/rotate`)
      assert.strictEqual(rotated.status, 201)
      assert.notStrictEqual(rotated.json["secret_hex"], secret_hex)
      assert.deepStrictEqual({ ...rotated.json, secret_hex }, made.json)

      assert.strictEqual((yield* ask("DELETE", path)).status, 204)
      assert.strictEqual((yield* ask("DELETE", path)).json["code"], "no-such-key")
      assert.strictEqual((yield* ask("POST", `${path}/rotate`)).status, 404)
      assert.deepStrictEqual(rowsOf(yield* ask("GET", "/v1/admin/tsig-keys"), "tsig_keys"), [])
      const all = rowsOf(yield* ask("GET", "/v1/admin/tsig-keys?all=1"), "tsig_keys")
      assert.deepStrictEqual(
        all.map(({ active, revoked }) => [active, revoked]),
        [[false, true]]
      )

      const { token } = yield* issue(ask)
      const name = String(rest["name"]).slice(0, -1)
      assert.deepStrictEqual((yield* trail(ask, token)).slice(1), [
        { event: "revoked", token: null, detail: `TSIG key ${name}` },
        { event: "issued", token: null, detail: "by the operator" },
        { event: "issued", token: null, detail: "by the operator" }
      ])
      const taken = yield* ask("POST", "/v1/admin/tsig-keys", {
        subject,
        ed25519_spk: "07".repeat(32)
      })
      assert.deepStrictEqual([taken.status, taken.json["code"]], [409, "held"])
    })
  )
})

describe("the operator's credential routes", () => {
  it.scopedLive("open to the operator's token alone", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const { token } = yield* issue(ask)
      for (const [method, path] of routes) {
        for (const wrong of ["", "wrong", token, `${operatorToken}x`]) {
          const refused = yield* ask(method, path, method === "POST" ? "{}" : undefined, wrong)
          assert.strictEqual(refused.status, 401, `${method} ${path} '${wrong}'`)
          assert.include(refused.headers.get("www-authenticate") ?? "", "Bearer")
        }
        const admitted = yield* ask(method, path)
        assert.notInclude([401, 403, 405], admitted.status, `${method} ${path}`)
        assert.notStrictEqual(admitted.json["code"], "not-found", `${method} ${path}`)
      }
    })
  )

  it.scopedLive("are nowhere without an operator token, or without what they are about", () =>
    Effect.gen(function* () {
      const open = yield* node({ ...users, DMP_AUTH_MODE: "open", DMP_OPERATOR_TOKEN: "" })
      const legacy = yield* node({ DMP_AUTH_MODE: "legacy" })
      for (const [method, path] of routes)
        for (const ask of [open, legacy])
          assert.strictEqual((yield* ask(method, path)).status, 404, `${method} ${path}`)
      const noUpdates = yield* node({ DMP_AUTH_MODE: "multi-tenant" })
      assert.strictEqual((yield* noUpdates("GET", "/v1/admin/tokens")).status, 200)
      assert.strictEqual((yield* noUpdates("GET", "/v1/admin/tsig-keys")).status, 404)
    })
  )

  it.scopedLive("refuse whatever is no such request, say why, and change nothing", () =>
    Effect.gen(function* () {
      const ask = yield* node()
      const subject = "alice@mesh.test"
      const hostile: ReadonlyArray<unknown> = [
        "",
        "{",
        "[]",
        "null",
        "\xff",
        {},
        { subject: 5 },
        { subject: "alice" },
        { subject: "älice@mesh.test" },
        { subject: "a".repeat(300) + "@mesh.test" },
        { subject, expire: "90d" },
        { subject, ["__proto__x"]: 1 },
        `{"subject":"${subject}","__proto__":{"note":"x"}}`,
        { subject, expires: "soon" },
        { subject, expires: "0" },
        { subject, expires: -1 },
        { subject, expires: 1.5 },
        { subject, expires: null },
        { subject, expires: "999999999999w" },
        { subject, expires: 4e9 },
        { subject, rate_per_sec: "1" },
        { subject, rate_per_sec: -1 },
        `{"subject":"${subject}","rate_burst":1e999}`,
        { subject, note: ["x"] },
        { subject, note: "two\nlines" },
        { subject, note: "x".repeat(201) },
        { subject, prekey_x25519_pub: "xyz" },
        { subject, note: "x".repeat(20_000) }
      ]
      for (const body of hostile) {
        const refused = yield* ask("POST", "/v1/admin/tokens", body)
        const shown = JSON.stringify(body).slice(0, 80)
        assert.strictEqual(refused.status, 400, shown)
        assert.hasAllKeys(refused.json, ["error", "code", "request_id"], shown)
        assert.isBelow(refused.text.length, 600, shown)
      }
      for (const body of [{ subject, spk }, { subject, ed25519_spk: "zz" }, { ed25519_spk: spk }])
        assert.strictEqual((yield* ask("POST", "/v1/admin/tsig-keys", body)).status, 400)
      for (const path of ["%ff", "%00", "..%2f..", "a".repeat(4000), "' OR 1=1 --"])
        for (const kind of ["tokens", "tsig-keys"])
          assert.strictEqual((yield* ask("DELETE", `/v1/admin/${kind}/${path}`)).status, 404, path)
      assert.strictEqual((yield* ask("GET", "/v1/admin/tokens?all=1")).json["total"], 0)
      assert.strictEqual((yield* ask("GET", "/v1/admin/tsig-keys?all=1")).json["total"], 0)
    })
  )

  it.scopedLive("charge the client's limit before they look at a token", () =>
    Effect.gen(function* () {
      const ask = yield* node({ ...users, DMP_HTTP_RATE: "0.001", DMP_HTTP_BURST: "2" })
      const first = yield* ask("GET", "/v1/admin/tokens")
      assert.match(first.headers.get("ratelimit") ?? "", /^"client";r=1;/)
      assert.strictEqual((yield* ask("GET", "/v1/admin/tokens", undefined, "wrong")).status, 401)
      const limited = yield* ask("GET", "/v1/admin/tokens")
      assert.strictEqual(limited.status, 429)
      assert.isNotNull(limited.headers.get("retry-after"))
    })
  )

  it.scopedLive("put no secret into the log, whatever its level", () => {
    const lines: Array<string> = []
    const log = Layer.mergeAll(
      Logger.replace(
        Logger.defaultLogger,
        Logger.map(Logger.jsonLogger, (line) => void lines.push(line))
      ),
      Logger.minimumLogLevel(LogLevel.All)
    )
    return Effect.gen(function* () {
      const ask = asking((yield* start(users, [], log)).http)
      const key = { subject: "alice@mesh.test", ed25519_spk: spk }
      const made = yield* ask("POST", "/v1/admin/tsig-keys", key)
      const again = yield* ask("POST", `/v1/admin/tsig-keys/${made.json["name"]}/rotate`)
      const { hash, token } = yield* issue(ask)
      const rotated = yield* ask("POST", `/v1/admin/tokens/${hash}/rotate`)
      const text = lines.join("\n")
      assert.include(text, `/v1/admin/tokens/${hash}/rotate`)
      for (const { json } of [made, again]) assert.notInclude(text, String(json["secret_hex"]))
      for (const secret of [token, rotated.json["token"], operatorToken])
        assert.notInclude(text, String(secret))
    })
  })

  it.scopedLive("are what their description says: a client made from it does it all", () =>
    Effect.gen(function* () {
      const { http } = yield* start(users)
      const { credentials } = yield* HttpApiClient.make(Api, {
        baseUrl: `http://127.0.0.1:${http}`,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(operatorToken))
      })
      const subject = "alice@mesh.test"
      const key = yield* credentials.issueTsigKey({ payload: { subject, ed25519_spk: spk } })
      const { secret_hex } = yield* credentials.rotateTsigKey({ path: key })
      assert.notStrictEqual(secret_hex, key.secret_hex)
      const keys = yield* credentials.listTsigKeys({ urlParams: { subject } })
      assert.deepStrictEqual(
        keys.tsig_keys.map(({ name }) => name),
        [key.name]
      )
      yield* credentials.revokeTsigKey({ path: key })
      const token = yield* credentials.issueToken({ payload: { subject, expires: "1h" } })
      const next = yield* credentials.rotateToken({ path: token, payload: {} })
      const last = yield* credentials.rotateSubject({ path: { subject }, payload: { expires: 9 } })
      const { tokens } = yield* credentials.listTokens({ urlParams: { all: "1" } })
      assert.sameMembers(
        tokens.map(({ token_hash }) => token_hash),
        [token, next, last].map(({ token_hash }) => token_hash)
      )
      yield* credentials.revokeToken({ path: last })
      const refusal = yield* Effect.flip(credentials.revokeSubject({ path: { subject } }))
      assert.include({ ...refusal }, { code: "nothing-to-revoke" })
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})
