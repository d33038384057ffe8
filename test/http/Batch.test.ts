/** `POST /v1/records`: each record judged as if it had come alone, and no way around any limit. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import { TokenAuth, TokenDenied } from "../../src/auth/TokenAuth.ts"
import { ContentPolicy, ContentRefused } from "../../src/zone/ContentPolicy.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { alice, rowFor } from "../auth/TokenStoreSuite.ts"
import { ask, closed, operatorToken, publish, start, type TestNode } from "./TestNode.ts"

const send = (node: TestNode, records: unknown, token?: string) =>
  ask(node, "POST", "/v1/records", {
    body: JSON.stringify({ records }),
    ...(token === undefined ? {} : { token })
  })

const many = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, i) => ({ name: `n${i}.mesh.example`, value: `v${i}`, ...more }))

const results = (answer: { readonly json: Readonly<Record<string, unknown>> }) =>
  answer.json["results"] as ReadonlyArray<Readonly<Record<string, unknown>>>
const statuses = (answer: { readonly json: Readonly<Record<string, unknown>> }) =>
  results(answer).map(({ status }) => status)

/** Two writes for anybody with the token `user`, below `own.`. */
const tokens = Layer.sync(TokenAuth, () => {
  let left = 2
  const limit = () => ({ quota: 2, window: 4, remaining: left, reset: 2 })
  const unauthorized = Either.left(new TokenDenied({ denial: { _tag: "Unauthorized" } }))
  return {
    identify: (token) =>
      token === "user" ? Either.right({ row: rowFor(alice), limit: limit() }) : unauthorized,
    authorize: (_token, _operation, owner) => {
      if (!owner.startsWith("own."))
        return Either.left(new TokenDenied({ denial: { _tag: "Forbidden", reason: "not yours" } }))
      if (left === 0)
        return Either.left(
          new TokenDenied({ denial: { _tag: "Throttled", retryAfter: 2, limit: limit() } })
        )
      left--
      return Either.right({ grant: WriteGrant.open, limit: limit() })
    }
  }
})

describe("a batch", () => {
  it.scopedLive("publishes all of its records, which are then read alone", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const answer = yield* send(node, many(3))
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(answer.json, {
        published: 3,
        refused: 0,
        results: [{ status: 201 }, { status: 201 }, { status: 201 }]
      })
      const read = yield* ask(node, "GET", "/v1/records/n2.mesh.example")
      assert.deepStrictEqual(read.json["values"], ["v2"])
    })
  )

  it.scopedLive("answers for each record what the record alone would have been answered", () =>
    Effect.gen(function* () {
      const policy = Layer.succeed(ContentPolicy, {
        judge: (_owner, value) =>
          value === "bad" ? new ContentRefused({ reason: "signature" }) : {}
      })
      const options = { limits: { maxValuesPerName: 1 }, policy }
      const records: ReadonlyArray<unknown> = [
        { name: "a.b", value: "x" },
        { name: "A.B.", value: "x", ttl: 60 },
        { name: "a.b", value: "y" },
        { name: "c.d", value: "x", ttl: 86_401 },
        { name: "c.d", value: "x", ttl: 1.5 },
        { name: "c.d", value: "x", ttl: 0 },
        { name: "c.d", value: 7 },
        { name: "c.d" },
        { name: "c.d", value: "x".repeat(2049) },
        { name: "c.d", value: 'a"b' },
        { name: "c.d", value: "bad" },
        { name: "c..d", value: "x" },
        { name: "", value: "x" }
      ]
      const [batched, single] = [yield* start(options), yield* start(options)]
      const answer = yield* send(batched, records)
      assert.strictEqual(answer.status, 207)
      for (const [at, record] of records.entries()) {
        const { name, ...body } = record as { readonly name: string }
        if (name === "") continue
        const alone = yield* ask(single, "POST", `/v1/records/${name}`, {
          body: JSON.stringify(body)
        })
        const { code, error, status } = results(answer)[at]!
        assert.deepStrictEqual(
          [status, error, code],
          [alone.status, alone.json["error"], alone.json["code"]],
          JSON.stringify(record)
        )
      }
      assert.deepInclude(answer.json, { published: 2, refused: 11 })
    })
  )

  it.scopedLive.each([
    ["no list", { records: "x" }, 400, "invalid-types"],
    ["nothing", {}, 400, "invalid-types"],
    ["an empty list", { records: [] }, 400, "invalid-types"],
    ["257 records", { records: many(257) }, 413, "batch-too-long"],
    ["a list as body", [], 400, "invalid-body"],
    ["too long a body", { records: [], more: "x".repeat(530_000) }, 400, "body-too-long"]
  ] as const)("is refused whole for %s", ([, body, status, code]) =>
    Effect.gen(function* () {
      const node = yield* start()
      const answer = yield* ask(node, "POST", "/v1/records", { body: JSON.stringify(body) })
      assert.deepStrictEqual([answer.status, answer.json["code"]], [status, code])
    })
  )

  it.scopedLive("survives entries of every shape, each refused in its place", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const junk = [
        null,
        1,
        "x",
        [],
        {},
        { name: 1 },
        { name: "a.b" },
        { name: ["a.b"], value: "x" }
      ]
      const answer = yield* send(node, [...junk, { name: "a.b", value: "x" }])
      assert.deepStrictEqual(statuses(answer), [...junk.map(() => 400), 201])
      const deep = `{"records":${"[".repeat(200_000)}${"]".repeat(200_000)}}`
      assert.strictEqual((yield* ask(node, "POST", "/v1/records", { body: deep })).status, 207)
      const dots = yield* send(node, [{ name: `${".".repeat(400_000)}x`, value: "x" }])
      assert.deepStrictEqual(statuses(dots), [400])
    })
  )

  it.scopedLive("takes the same record twice as a refresh", () =>
    Effect.gen(function* () {
      const node = yield* start({ limits: { maxValuesPerName: 1 } })
      const record = { name: "a.b", value: "x" }
      assert.strictEqual((yield* send(node, [record, record])).status, 200)
      const read = yield* ask(node, "GET", "/v1/records/a.b")
      assert.deepStrictEqual(read.json["values"], ["x"])
    })
  )

  it.scopedLive("asks for credentials as one record does", () =>
    Effect.gen(function* () {
      const legacy = yield* start({ auth: closed("legacy") })
      assert.strictEqual((yield* send(legacy, many(1))).status, 401)
      assert.strictEqual((yield* send(legacy, many(1), "wrong")).status, 401)
      assert.strictEqual((yield* send(legacy, many(1), operatorToken)).status, 200)
      const users = yield* start({ auth: closed("multi-tenant") })
      assert.strictEqual((yield* send(users, many(1))).status, 401)
      assert.strictEqual((yield* send(users, many(1), "wrong")).status, 401)
    })
  )

  it.scopedLive("writes what its token may, a write of the token's limit for each record", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("multi-tenant"), tokens })
      const answer = yield* send(
        node,
        [
          { name: "own.a", value: "x" },
          { name: "foreign.a", value: "x" },
          { name: "own.b", value: "x" },
          { name: "own.c", value: "x" }
        ],
        "user"
      )
      assert.deepStrictEqual(statuses(answer), [201, 403, 201, 429])
      assert.deepStrictEqual(results(answer)[1]!["error"], "not yours")
      assert.strictEqual(results(answer)[3]!["retry_after"], 2)
      assert.strictEqual(answer.headers.get("ratelimit"), '"token";r=0;t=2')
    })
  )

  it.scopedLive("costs its sender as many requests as it has records", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { rate: 0.5, burst: 10 } })
      const first = yield* send(node, many(8))
      assert.strictEqual(first.status, 200)
      assert.match(first.headers.get("ratelimit") ?? "", /^"client";r=2;t=[12]$/)
      const over = yield* send(node, many(4))
      assert.strictEqual(over.status, 429)
      // One for this request is gone: one is left of the four it needs, at one in two seconds.
      assert.include(["5", "6"], over.headers.get("retry-after"))
      assert.strictEqual((yield* send(node, many(11))).json["code"], "batch-too-long")
    })
  )

  it.scopedLive("of the operator costs one request", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy"), http: { rate: 0.001, burst: 3 } })
      assert.strictEqual((yield* send(node, many(200), operatorToken)).status, 200)
      assert.strictEqual((yield* send(node, many(200), operatorToken)).status, 200)
    })
  )

  it.scopedLive("is refused whole, and nothing of it is served, when the store fails", () =>
    Effect.gen(function* () {
      const node = yield* start()
      node.failStore(new StoreError({ reason: "disk-full", message: "no room" }))
      const answer = yield* send(node, many(3))
      assert.deepStrictEqual(
        [answer.status, answer.json["reason"], answer.headers.get("retry-after")],
        [503, "disk-full", "10"]
      )
      assert.strictEqual((yield* ask(node, "GET", "/v1/records/n0.mesh.example")).status, 404)
      node.failStore(undefined)
      assert.strictEqual((yield* send(node, many(3))).status, 200)
    })
  )
})

describe("an exempt address", () => {
  it.scopedLive("has no limit, and whom a proxy at such an address names has one", () =>
    Effect.gen(function* () {
      const node = yield* start({
        http: {
          rate: 0.001,
          burst: 1,
          rateExempt: ["127.0.0.0/8"],
          trustedProxies: ["127.0.0.0/8"]
        }
      })
      for (let i = 0; i < 2; i++) {
        const answer = yield* send(node, many(5))
        assert.strictEqual(answer.status, 200)
        assert.isNull(answer.headers.get("ratelimit"))
      }
      const named = { headers: { "x-real-ip": "192.0.2.1" } }
      const read = Effect.map(
        ask(node, "GET", "/v1/records/n0.mesh.example", named),
        ({ status }) => status
      )
      assert.deepStrictEqual([yield* read, yield* read], [200, 429])
    })
  )
})

describe("RateLimit fields", () => {
  it.scopedLive("say on every answer of a limited route what is left, and the same on 429", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { rate: 0.1, burst: 2 } })
      const ok = yield* publish(node, "a.b", "x")
      assert.strictEqual(ok.headers.get("ratelimit-policy"), '"client";q=2;w=20')
      assert.match(ok.headers.get("ratelimit") ?? "", /^"client";r=1;t=(10|9)$/)
      const read = yield* ask(node, "GET", "/v1/records/c.d")
      assert.deepStrictEqual(
        [read.status, read.headers.get("ratelimit")?.slice(0, 12)],
        [404, '"client";r=0']
      )
      const limited = yield* publish(node, "a.b", "x")
      assert.strictEqual(limited.status, 429)
      assert.strictEqual(limited.headers.get("ratelimit-policy"), '"client";q=2;w=20')
      const wait = /;r=0;t=(\d+)$/.exec(limited.headers.get("ratelimit") ?? "")?.[1]
      assert.isAtMost(Number(wait), Number(limited.headers.get("retry-after")))
      assert.isAtLeast(Number(wait), 1)
    })
  )

  it.scopedLive("are not there where no limit is, nor on routes without one", () =>
    Effect.gen(function* () {
      const free = yield* start()
      assert.isNull((yield* publish(free, "a.b", "x")).headers.get("ratelimit"))
      const node = yield* start({ http: { rate: 1, burst: 2 } })
      const health = yield* ask(node, "GET", "/health")
      assert.deepStrictEqual(
        [health.status, health.headers.get("ratelimit"), health.headers.get("ratelimit-policy")],
        [200, null, null]
      )
    })
  )
})
