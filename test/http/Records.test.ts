import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Either, Layer, Schedule } from "effect"
import { TokenAuth, TokenDenied } from "../../src/auth/TokenAuth.ts"
import { ContentPolicy, ContentRefused } from "../../src/zone/ContentPolicy.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { ask, closed, operatorToken, type Options, publish, raw, start } from "./TestNode.ts"

const name = "dmp.alice.mesh.example"
const path = `/v1/records/${name}`

describe("POST /v1/records/{name}", () => {
  it.scopedLive("answers 201 {ok:true} at first and again for the same value", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (let i = 0; i < 2; i++) {
        const answer = yield* publish(node, name, "v=dmp1;t=x")
        assert.strictEqual(answer.status, 201)
        assert.deepStrictEqual(answer.json, { ok: true })
      }
      const read = yield* ask(node, "GET", path)
      assert.deepStrictEqual(read.json, { name, values: ["v=dmp1;t=x"] })
    })
  )

  it.scopedLive("holds one name whatever its case, and echoes the spelling asked", () =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* publish(node, "Foo.Example.COM.", "a")
      const read = yield* ask(node, "GET", "/v1/records/fOO.example.com/")
      assert.deepStrictEqual(read.json, { name: "fOO.example.com", values: ["a"] })
    })
  )

  it.scopedLive("uses 300 seconds when no ttl is given", () =>
    Effect.gen(function* () {
      const node = yield* start({ limits: { maxTtl: 299 } })
      const answer = yield* ask(node, "POST", path, { body: `{"value":"x"}` })
      assert.strictEqual(answer.json.error, "ttl exceeds cap of 299s")
    })
  )

  const bom = Buffer.concat([
    Buffer.from([0xef, 0xbb, 0xbf]),
    Buffer.from(`{"value":"x","ttl":60}`)
  ])
  const types = "value (str) and ttl (int > 0) required"
  const refused: ReadonlyArray<readonly [string, string | Uint8Array, number, string]> = [
    ["no JSON", "not-json", 400, "invalid body"],
    ["JSON null", "null", 400, "invalid body"],
    ["a list", "[]", 400, "invalid body"],
    ["a string", `"x"`, 400, "invalid body"],
    ["bad UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), 400, "invalid body"],
    ["a byte order mark", bom, 400, "invalid body"],
    ["too much", `{"value":"${"x".repeat(70_000)}","ttl":60}`, 400, "invalid body"],
    ["nothing", "", 400, types],
    ["no value", `{"ttl":60}`, 400, types],
    ["a number as value", `{"value":1,"ttl":60}`, 400, types],
    ["ttl 0", `{"value":"x","ttl":0}`, 400, types],
    ["a negative ttl", `{"value":"x","ttl":-1}`, 400, types],
    ["a whole float as ttl", `{"value":"x","ttl":60.0}`, 400, types],
    ["an exponent as ttl", `{"value":"x","ttl":6e1}`, 400, types],
    ["a string as ttl", `{"value":"x","ttl":"60"}`, 400, types],
    ["true as ttl", `{"value":"x","ttl":true}`, 400, types],
    ["null as ttl", `{"value":"x","ttl":null}`, 400, types],
    ["NaN as ttl", `{"value":"x","ttl":NaN}`, 400, "invalid body"],
    ["a long ttl", `{"value":"x","ttl":86401}`, 400, "ttl exceeds cap of 86400s"],
    ["a huge ttl", `{"value":"x","ttl":1000000000000000000000}`, 400, types],
    ["a long value", `{"value":"${"x".repeat(2049)}"}`, 400, "value exceeds cap of 2048 bytes"],
    [
      "both too long",
      `{"value":"${"x".repeat(2049)}","ttl":86401}`,
      400,
      "ttl exceeds cap of 86400s"
    ],
    ["a quote", `{"value":"a\\"b"}`, 400, "invalid record value"],
    ["a control character", `{"value":"a\\u0000b"}`, 400, "invalid record value"],
    ["a lone surrogate", `{"value":"\\ud800"}`, 400, "invalid record value"]
  ]
  it.scopedLive.each(refused)("refuses %s", ([, body, status, error]) =>
    Effect.gen(function* () {
      const node = yield* start()
      const answer = yield* ask(node, "POST", path, { body })
      assert.deepStrictEqual([answer.status, answer.json.error], [status, error])
      assert.match(String(answer.json["request_id"]), /^[0-9a-f-]{36}$/)
      assert.strictEqual(answer.json.request_id, answer.headers.get("x-request-id"))
      assert.isString(answer.json.code)
      assert.strictEqual((yield* ask(node, "GET", path)).status, 404)
    })
  )

  it.scopedLive("lets the last of two equal keys win, takes 86400 s and 2048 bytes", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const body = `{"value":1,"value":"${"y".repeat(2048)}","ttl":86400}`
      assert.strictEqual((yield* ask(node, "POST", path, { body })).status, 201)
    })
  )

  const badNames = [
    "a..b",
    "-a.b",
    "a-.b",
    "__x.y",
    "a_b.c",
    "*.a",
    "a%20b",
    "%C3%A4.de",
    "%E2%84%AA.test",
    "%00",
    "%",
    "%ff",
    "a%2Fb",
    "a.b?x=1",
    "%20",
    `${"a".repeat(64)}.b`,
    `_${"a".repeat(63)}.b`,
    `${"a.".repeat(127)}b`
  ]
  it.scopedLive.each(badNames)("refuses the name %s", (bad) =>
    Effect.gen(function* () {
      const node = yield* start()
      const answer = yield* publish(node, bad, "x")
      assert.deepStrictEqual([answer.status, answer.json.error], [400, "invalid record name"])
      assert.strictEqual((yield* ask(node, "DELETE", `/v1/records/${bad}`)).status, 400)
      const read = yield* ask(node, "GET", `/v1/records/${bad}`)
      assert.strictEqual(read.status, 404)
      assert.deepStrictEqual(read.json.values, [])
    })
  )

  it.scopedLive(
    "names the ttl and size caps before the name, and the name before the characters",
    () =>
      Effect.gen(function* () {
        const node = yield* start()
        assert.match(String((yield* publish(node, "a..b", "x", 86_401)).json["error"]), /^ttl/)
        assert.match(
          String((yield* publish(node, "a..b", "x".repeat(2049))).json["error"]),
          /^value exceeds/
        )
        assert.strictEqual(
          (yield* publish(node, "a..b", "\u0001")).json.error,
          "invalid record name"
        )
      })
  )

  it.scopedLive("takes names with spaces around, underscores, one label and trailing dots", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const good of ["%20a.b%0A", "_dnsmesh._x.y", "single", "a.b...", "a.b/", "%61.b"])
        assert.strictEqual((yield* publish(node, good, "x")).status, 201, good)
    })
  )

  it.scopedLive("refuses the value that overfills a name with 413, but not one it holds", () =>
    Effect.gen(function* () {
      const node = yield* start({ limits: { maxValuesPerName: 3 } })
      for (const value of ["a", "b", "c"]) yield* publish(node, name, value)
      const fourth = yield* publish(node, "DMP.alice.mesh.example", "d")
      assert.strictEqual(fourth.status, 413)
      assert.strictEqual(
        fourth.json.error,
        "RRset at DMP.alice.mesh.example already holds 3 values"
      )
      assert.strictEqual((yield* publish(node, name, "b")).status, 201)
    })
  )

  it.scopedLive("refuses an RRset that no answer could carry with 413", () =>
    Effect.gen(function* () {
      const node = yield* start({ limits: { maxRrsetBytes: 300 } })
      assert.strictEqual((yield* publish(node, name, "a".repeat(200))).status, 201)
      assert.strictEqual((yield* publish(node, name, "b".repeat(200))).status, 413)
    })
  )

  it.scopedLive("shows a refusal of the content policy with its reason", () =>
    Effect.gen(function* () {
      const policy = Layer.succeed(ContentPolicy, {
        judge: () => new ContentRefused({ reason: "bad-signature" })
      })
      const node = yield* start({ policy })
      const answer = yield* publish(node, name, "x")
      assert.deepStrictEqual(
        [answer.status, answer.json.error, answer.json.code],
        [400, "bad-signature", "content-refused"]
      )
    })
  )

  it.scopedLive("takes a value as long as the policy allows, chunked too", () =>
    Effect.gen(function* () {
      const policy = Layer.succeed(ContentPolicy, { judge: () => ({ maxValueBytes: 50_000 }) })
      const node = yield* start({ policy })
      const value = "m".repeat(48 * 1024)
      assert.strictEqual((yield* publish(node, name, value)).status, 201)
    })
  )

  it.scopedLive(
    "answers 503 with the kind of trouble while the store fails, and 201 once it heals",
    () =>
      Effect.gen(function* () {
        const node = yield* start()
        node.failStore(new StoreError({ reason: "disk-full", message: "/var/lib/secret/path" }))
        const answer = yield* publish(node, name, "x")
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.json.reason, "disk-full")
        assert.isAtLeast(Number(answer.headers.get("retry-after")), 1)
        assert.notInclude(answer.text, "secret")
        node.failStore(undefined)
        assert.strictEqual((yield* publish(node, name, "x")).status, 201)
      })
  )
})

describe("a defect met while publishing", () => {
  const broken = () => assert.fail("broken")
  const answersAll = (options: Options, token: string) =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("multi-tenant"), ...options })
      const answers = yield* Effect.forEach(
        ["a", "b", "c"],
        (value) => publish(node, name, value, 60, token),
        { concurrency: 3 }
      )
      for (const answer of answers) {
        assert.deepStrictEqual([answer.status, answer.json.code], [500, "internal-error"])
        assert.strictEqual(answer.json.request_id, answer.headers.get("x-request-id"))
      }
      assert.strictEqual((yield* ask(node, "GET", "/livez")).status, 200)
    })

  it.scopedLive("before the body is read is answered with 500, and the node goes on", () =>
    answersAll(
      { tokens: Layer.succeed(TokenAuth, { identify: broken, authorize: broken }) },
      "anything"
    )
  )

  it.scopedLive("after the body is read too", () =>
    answersAll(
      {
        tokens: Layer.succeed(TokenAuth, {
          identify: broken,
          authorize: () =>
            Either.right({
              grant: new Proxy(WriteGrant.open, { get: broken }),
              limit: undefined
            })
        })
      },
      "anything"
    )
  )

  it.scopedLive("while the group is decided too", () =>
    answersAll({ policy: Layer.succeed(ContentPolicy, { judge: broken }) }, operatorToken)
  )
})

describe("a client that leaves while its publish is committed", () => {
  it.scopedLive("has published all the same, and takes up no place any more", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { maxConcurrency: 1 } })
      const gate = yield* Deferred.make<void>()
      node.holdCommits(gate)
      const body = `{"value":"x"}`
      const head = `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: ${body.length}\r\n\r\n`
      yield* raw(node, [head + body], 150)
      yield* Deferred.succeed(gate, undefined)
      const values = ask(node, "GET", path).pipe(
        Effect.repeat({ until: ({ status }) => status === 200, schedule: Schedule.spaced(20) })
      )
      yield* Effect.timeoutFail(values, { duration: "5 seconds", onTimeout: () => "not published" })
    })
  )
})

describe("DELETE /v1/records/{name}", () => {
  it.scopedLive(
    "withdraws one value, then all, and says 404 with no body when nothing is there",
    () =>
      Effect.gen(function* () {
        const node = yield* start()
        for (const value of ["a", "b", "c", ""]) yield* publish(node, name, value)
        const one = yield* ask(node, "DELETE", path, { body: `{"value":"a"}` })
        assert.deepStrictEqual([one.status, one.text], [204, ""])
        assert.deepStrictEqual((yield* ask(node, "GET", path)).json.values, ["b", "c", ""])
        yield* ask(node, "DELETE", path, { body: `{"value":""}` })
        assert.deepStrictEqual((yield* ask(node, "GET", path)).json.values, ["b", "c"])
        const absent = yield* ask(node, "DELETE", path, { body: `{"value":"zz"}` })
        assert.deepStrictEqual([absent.status, absent.text], [404, ""])
        assert.strictEqual((yield* ask(node, "DELETE", path)).status, 204)
        const nothing = yield* ask(node, "DELETE", path)
        assert.deepStrictEqual([nothing.status, nothing.text], [404, ""])
      })
  )

  const malformed: ReadonlyArray<readonly [string, string]> = [
    ["not-json", "invalid body"],
    ["[]", "invalid body"],
    ["null", "invalid body"],
    [`"a"`, "invalid body"],
    [`{"value":"a"`, "invalid body"],
    [`{"value":"${"x".repeat(70_000)}"}`, "invalid body"],
    [`{"value":1}`, "invalid record value"],
    [`{"value":["a"]}`, "invalid record value"],
    [`{"value":"a\\"b"}`, "invalid record value"],
    [`{"value":"\\u007f"}`, "invalid record value"]
  ]
  it.scopedLive.each(malformed)("leaves everything alone for the body %s", ([body, error]) =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* publish(node, name, "a")
      const answer = yield* ask(node, "DELETE", path, { body })
      assert.deepStrictEqual([answer.status, answer.json.error], [400, error])
      assert.deepStrictEqual((yield* ask(node, "GET", path)).json.values, ["a"])
    })
  )
})

describe("who may", () => {
  const unauthorized = (answer: {
    status: number
    json: Readonly<Record<string, unknown>>
    headers: Headers
  }) => {
    assert.deepStrictEqual([answer.status, answer.json.error], [401, "unauthorized"])
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer /)
  }

  it.scopedLive("write in legacy mode: only the operator, whose scheme may be of any case", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      unauthorized(yield* publish(node, name, "x"))
      unauthorized(yield* publish(node, name, "x", 60, "wrong"))
      unauthorized(yield* ask(node, "DELETE", path))
      unauthorized(yield* ask(node, "GET", path, { token: `${operatorToken}x` }))
      assert.strictEqual((yield* publish(node, name, "x", 60, operatorToken)).status, 201)
      for (const authorization of [`bearer ${operatorToken}`, `BEARER  ${operatorToken}`]) {
        const read = yield* ask(node, "GET", path, { headers: { authorization } })
        assert.strictEqual(read.status, 200)
      }
      for (const authorization of [
        operatorToken,
        `Basic ${operatorToken}`,
        "Bearer",
        `Bearer${operatorToken}`
      ])
        unauthorized(yield* ask(node, "GET", path, { headers: { authorization } }))
    })
  )

  it.scopedLive("write in legacy mode without an operator: nobody", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: { mode: "legacy" } })
      unauthorized(yield* publish(node, name, "x", 60, operatorToken))
    })
  )

  it.scopedLive("read in open mode: everybody, unless there is an operator", () =>
    Effect.gen(function* () {
      const free = yield* start()
      assert.strictEqual((yield* ask(free, "GET", path)).status, 404)
      const node = yield* start({ auth: closed("open") })
      assert.strictEqual((yield* publish(node, name, "x")).status, 201)
      unauthorized(yield* ask(node, "GET", path))
      unauthorized(yield* ask(node, "GET", "/metrics"))
      assert.strictEqual((yield* ask(node, "GET", path, { token: operatorToken })).status, 200)
    })
  )

  it.scopedLive("write in multi-tenant mode: the operator, and users as their tokens say", () =>
    Effect.gen(function* () {
      const denied = {
        bad: { _tag: "Unauthorized" },
        foreign: { _tag: "Forbidden", reason: "not your namespace" },
        busy: { _tag: "Throttled", retryAfter: 7, limit: undefined }
      } as const
      const asked: Array<ReadonlyArray<string>> = []
      const tokens = Layer.succeed(TokenAuth, {
        identify: () => Either.left(new TokenDenied({ denial: denied.bad })),
        authorize: (token, ...rest) => {
          asked.push([token, ...rest])
          return token === "down"
            ? Either.left(new StoreError({ reason: "locked", message: "" }))
            : Either.left(new TokenDenied({ denial: denied[token as keyof typeof denied] }))
        }
      })
      const node = yield* start({ auth: closed("multi-tenant"), tokens })
      unauthorized(yield* publish(node, name, "x"))
      unauthorized(yield* publish(node, name, "x", 60, "bad"))
      const foreign = yield* publish(node, name, "x", 60, "foreign")
      assert.deepStrictEqual([foreign.status, foreign.json.error], [403, "not your namespace"])
      const busy = yield* ask(node, "DELETE", path, { token: "busy" })
      assert.deepStrictEqual(
        [busy.status, busy.json.error, busy.headers.get("retry-after")],
        [429, "per-token rate limit exceeded", "7"]
      )
      assert.strictEqual((yield* publish(node, name, "x", 60, "down")).status, 503)
      assert.strictEqual((yield* publish(node, name, "x", 60, operatorToken)).status, 201)
      unauthorized(yield* ask(node, "GET", path, { token: "bad" }))
      assert.deepStrictEqual(asked, [
        ["bad", "publish", name, "127.0.0.1"],
        ["foreign", "publish", name, "127.0.0.1"],
        ["busy", "delete", name, "127.0.0.1"],
        ["down", "publish", name, "127.0.0.1"]
      ])
    })
  )

  it.scopedLive("write in multi-tenant mode without a token store: users get a plain 401", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("multi-tenant") })
      unauthorized(yield* publish(node, name, "x", 60, `dmp_v1_${"A".repeat(52)}`))
    })
  )

  it.scopedLive("shorten what another wrote in open mode: nobody", () =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* publish(node, name, "x", 60)
      yield* publish(node, name, "x", 1)
      yield* Effect.sleep("1200 millis")
      assert.strictEqual((yield* ask(node, "GET", path)).status, 200)
    })
  )
})

describe("order of checks", () => {
  it.scopedLive(
    "asks for credentials before it looks at the body, and at the bucket before both",
    () =>
      Effect.gen(function* () {
        const node = yield* start({ auth: closed("legacy"), http: { rate: 1, burst: 2 } })
        assert.strictEqual((yield* ask(node, "POST", path, { body: "junk" })).status, 401)
        const bad = yield* ask(node, "POST", path, { body: "junk", token: operatorToken })
        assert.strictEqual(bad.status, 400)
        const limited = yield* ask(node, "POST", path, { body: "junk" })
        assert.deepStrictEqual([limited.status, limited.json.error], [429, "rate limit exceeded"])
        assert.strictEqual(limited.headers.get("retry-after"), "1")
        // What is no record path costs nothing and is not limited.
        assert.strictEqual((yield* ask(node, "POST", "/v1/records/")).status, 404)
        assert.strictEqual((yield* ask(node, "GET", "/health")).status, 200)
      })
  )

  it.scopedLive("lets a hundred requests through at once and no more", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { rate: 0.001, burst: 100 } })
      const statuses = yield* Effect.forEach(
        Array.from({ length: 101 }, (_, i) => i),
        (i) => Effect.map(publish(node, name, `v${i % 60}`), ({ status }) => status),
        { concurrency: 8 }
      )
      assert.strictEqual(statuses.filter((status) => status === 201).length, 100)
      assert.strictEqual(statuses.filter((status) => status === 429).length, 1)
    })
  )
})
