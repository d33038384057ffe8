import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { ask, closed, operatorToken, publish, raw, start } from "./TestNode.ts"

const path = "/v1/records/a.example"
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, s]) => s)
const post = (body: string, headers = "") =>
  `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`
const good = `{"value":"x","ttl":60}`

describe("paths and methods", () => {
  it.scopedLive("answer 404 in JSON for what is unknown, whatever the method", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const method of ["GET", "POST", "DELETE", "PUT"])
        for (const unknown of [
          "/v1/no-such-thing",
          "/v1/records/",
          "/v1/records/a/b",
          "/health/"
        ]) {
          const answer = yield* ask(node, method, unknown)
          assert.deepStrictEqual([answer.status, answer.json.error], [404, "not found"], unknown)
        }
    })
  )

  it.scopedLive("answer 405 with what is allowed", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const put = yield* ask(node, "PUT", path)
      assert.deepStrictEqual(
        [put.status, put.headers.get("allow"), put.json.error],
        [405, "GET, HEAD, POST, DELETE", "method not allowed"]
      )
      const health = yield* ask(node, "POST", "/health", { body: "x" })
      assert.deepStrictEqual([health.status, health.headers.get("allow")], [405, "GET, HEAD"])
      assert.strictEqual((yield* ask(node, "OPTIONS", "/")).status, 405)
    })
  )

  it.scopedLive("accept a query and the absolute form", () =>
    Effect.gen(function* () {
      const node = yield* start()
      assert.strictEqual((yield* ask(node, "GET", "/health?x=1")).status, 200)
      const { text } = yield* raw(node, [
        "GET http://node/livez?a HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
      ])
      assert.deepStrictEqual(statuses(text), ["200"])
    })
  )

  const paths = [
    "/",
    "/index.html",
    "/health",
    "/livez",
    "/readyz",
    "/stats",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/style.css",
    path,
    "/nothing"
  ]
  it.scopedLive.each(paths)("answer HEAD %s as GET without the body", (target) =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* publish(node, "a.example", "x")
      const get = yield* ask(node, "GET", target)
      const { text } = yield* raw(node, [
        `HEAD ${target} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n`
      ])
      const [head = "", body] = text.split("\r\n\r\n")
      assert.strictEqual(body, "")
      assert.deepStrictEqual(statuses(head), [String(get.status)])
      if (target !== "/metrics")
        assert.include(head.toLowerCase(), `content-length: ${Buffer.byteLength(get.text)}`)
      assert.include(head.toLowerCase(), "x-content-type-options: nosniff")
    })
  )

  it.scopedLive("carry the same protective headers and no banner everywhere", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const target of ["/", "/health", "/docs", path, "/nothing"]) {
        const { headers } = yield* ask(node, "GET", target)
        assert.isNull(headers.get("server"))
        assert.isNull(headers.get("x-powered-by"))
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.match(headers.get("content-security-policy") ?? "", /^default-src 'none'/)
        assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/)
        assert.isNotNull(headers.get("cache-control"))
      }
    })
  )
})

describe("operations", () => {
  it.scopedLive("tell health, life, readiness and size", () =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* publish(node, "a.example", "x")
      assert.strictEqual((yield* ask(node, "GET", "/health")).text, `{"status":"ok"}`)
      assert.strictEqual((yield* ask(node, "GET", "/livez")).text, `{"status":"ok"}`)
      assert.strictEqual((yield* ask(node, "GET", "/stats")).text, `{"records":1}`)
      const ready = yield* ask(node, "GET", "/readyz")
      assert.deepStrictEqual(
        [ready.status, ready.json.status, Object(ready.json["checks"]).http],
        [200, "ready", "ok"]
      )
    })
  )

  it.scopedLive("say degraded, without details, while the store cannot be read", () =>
    Effect.gen(function* () {
      const node = yield* start()
      node.failStore(new StoreError({ reason: "io", message: "/secret/path" }))
      const answer = yield* ask(node, "GET", "/health")
      assert.deepStrictEqual(
        [answer.status, answer.json],
        [503, { status: "degraded", store: "io" }]
      )
      assert.strictEqual((yield* ask(node, "GET", "/livez")).status, 200)
    })
  )

  it.scopedLive("show metrics to the operator only, once there is one", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const refused = yield* ask(node, "GET", "/metrics")
      assert.deepStrictEqual([refused.status, refused.json.error], [401, "unauthorized"])
      assert.match(String(refused.json["request_id"]), /./)
      assert.strictEqual(refused.headers.get("www-authenticate"), 'Bearer realm="dnsmesh"')
      const shown = yield* ask(node, "GET", "/metrics", { token: operatorToken })
      assert.strictEqual(shown.status, 200)
      assert.strictEqual(
        shown.headers.get("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
      )
    })
  )
})

describe("hostile octets", () => {
  const hostile: ReadonlyArray<readonly [string, string, string]> = [
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400"],
    [
      "a length that is no number",
      `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: x\r\n\r\n`,
      "400"
    ],
    ["a negative length", `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: -1\r\n\r\n`, "400"],
    [
      "two lengths",
      `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
      "400"
    ],
    [
      "length and chunks",
      `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "400"
    ],
    [
      "a broken chunk",
      `POST ${path} HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      "400"
    ],
    ["huge headers", `GET / HTTP/1.1\r\nHost: n\r\nX: ${"y".repeat(70_000)}\r\n\r\n`, "431"],
    ["a huge target", `GET /${"y".repeat(70_000)} HTTP/1.1\r\nHost: n\r\n\r\n`, "431"],
    ["no Host", "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", "400"],
    ["two Hosts", "GET /livez HTTP/1.1\r\nHost: n\r\nhost: m\r\nConnection: close\r\n\r\n", "400"],
    ["CONNECT", "CONNECT evil:443 HTTP/1.1\r\nHost: n\r\n\r\n", "405"],
    [
      "a strange expectation",
      "GET /livez HTTP/1.1\r\nHost: n\r\nExpect: tea\r\nConnection: close\r\n\r\n",
      "417"
    ]
  ]
  it.scopedLive.each(hostile)("are answered in JSON: %s", ([, octets, status]) =>
    Effect.gen(function* () {
      const node = yield* start()
      const { closed, text } = yield* raw(node, [octets])
      assert.deepStrictEqual(statuses(text), [status])
      const body = JSON.parse(text.slice(text.indexOf("\r\n\r\n")))
      assert.hasAllKeys(body, ["error", "code", "request_id"])
      assert.isTrue(closed)
      assert.strictEqual((yield* ask(node, "GET", "/health")).status, 200)
    })
  )

  it.scopedLive("in random order never take the node down", () =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) => {
          const junk = crypto.getRandomValues(new Uint8Array(200))
          return raw(
            node,
            i % 2 === 0 ? [junk] : [`POST ${path} HTTP/1.1\r\nHost: n\r\n`, junk, "\r\n\r\n"],
            150
          )
        },
        { concurrency: 10 }
      )
      assert.strictEqual((yield* publish(node, "a.example", "x")).status, 201)
    })
  )

  it.scopedLive("that stop in the headers or the body are cut off with 408", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { headersTimeout: 0.4, requestTimeout: 0.8 } })
      const [silent, headers, body] = yield* Effect.all(
        [
          raw(node, []),
          raw(node, ["GET / HTTP/1.1\r\nHost: n\r\nX-"]),
          raw(node, [`POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 50\r\n\r\n{"val`])
        ],
        { concurrency: 3 }
      )
      for (const { closed, text } of [silent, headers, body]) {
        assert.deepStrictEqual(statuses(text), ["408"])
        assert.isTrue(closed)
      }
    })
  )

  it.scopedLive("of a body cut short by the client publish nothing", () =>
    Effect.gen(function* () {
      const node = yield* start()
      yield* raw(
        node,
        [`POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 500\r\n\r\n${good}`],
        100
      )
      assert.strictEqual((yield* ask(node, "GET", path)).status, 404)
    })
  )
})

describe("connections", () => {
  it.scopedLive("are kept, and pipelined requests answered in order", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const { text } = yield* raw(node, [
        post(good) +
          "GET /nothing HTTP/1.1\r\nHost: n\r\n\r\n" +
          post("junk") +
          "GET /livez HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"
      ])
      assert.deepStrictEqual(statuses(text), ["201", "404", "400", "200"])
    })
  )

  it.scopedLive("do one thing after the other, however many requests came at once", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const get = `GET ${path} HTTP/1.1\r\nHost: n\r\n\r\n`
      const { text } = yield* raw(node, [
        `${post(good)}${get}DELETE ${path} HTTP/1.1\r\nHost: n\r\n\r\n`.repeat(20) +
          "GET /livez HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"
      ])
      const round = ["201", "200", "204"]
      assert.deepStrictEqual(statuses(text), [
        ...Array.from({ length: 20 }, () => round).flat(),
        "200"
      ])
    })
  )

  it.scopedLive("carry the answer to a client that has closed its side", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const { closed, text } = yield* raw(node, [post(good)], 3000, true)
      assert.deepStrictEqual(statuses(text), ["201"])
      assert.isTrue(closed)
    })
  )

  it.scopedLive("give the answers to whole requests before they end over garbage behind them", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const whole of [1, 2, 20]) {
        const sent = post(good).repeat(whole) + "\x00\x01garbage\r\n\r\n"
        const { closed, text } = yield* raw(node, [sent])
        assert.deepStrictEqual(statuses(text), new Array(whole).fill("201"))
        assert.isTrue(closed)
      }
    })
  )

  it.scopedLive("carry chunked bodies within the same cap", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const chunked = (chunks: ReadonlyArray<string>) => [
        `POST ${path} HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
        ...chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`),
        "0\r\n\r\n"
      ]
      const fine = yield* raw(node, chunked([`{"value":`, `"x","ttl":60}`]))
      assert.deepStrictEqual(statuses(fine.text), ["201"])
      const long = yield* raw(node, chunked(Array.from({ length: 30 }, () => "z".repeat(10_000))))
      assert.deepStrictEqual(statuses(long.text), ["400"])
      assert.include(long.text, "invalid body")
    })
  )

  it.scopedLive("send 100 Continue only for a body that is wanted", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const expect = "Expect: 100-continue\r\nConnection: close\r\n"
      const refused = yield* raw(node, [
        `POST ${path} HTTP/1.1\r\nHost: n\r\n${expect}Content-Length: 22\r\n\r\n`
      ])
      assert.deepStrictEqual(statuses(refused.text), ["401"])
      const wanted = yield* raw(node, [
        post(good, `Authorization: Bearer ${operatorToken}\r\n${expect}`)
      ])
      assert.deepStrictEqual(statuses(wanted.text), ["100", "201"])
    })
  )

  it.scopedLive("let a client that announces far too much read its refusal", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const { closed, text } = yield* raw(node, [
        `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 100000000\r\n\r\n`,
        "x".repeat(100_000)
      ])
      assert.deepStrictEqual(statuses(text), ["400"])
      assert.isTrue(closed)
    })
  )

  it.scopedLive("from one source are capped, and the node answers the next one", () =>
    Effect.gen(function* () {
      const node = yield* start({
        http: { maxConnections: 16, headersTimeout: 1, requestTimeout: 1 }
      })
      const silent = yield* Effect.forEach([1, 2, 3, 4], () => raw(node, [], 2500), {
        concurrency: 4
      }).pipe(Effect.fork)
      const shed = yield* Effect.sleep("100 millis").pipe(
        Effect.zipRight(raw(node, ["GET /livez HTTP/1.1\r\n\r\n"]))
      )
      assert.strictEqual(shed.text, "")
      yield* Fiber.join(silent)
      yield* Effect.sleep("100 millis")
      assert.strictEqual((yield* ask(node, "GET", "/livez")).status, 200)
    })
  )
})

describe("load", () => {
  it.scopedLive("beyond the cap is turned away with 503, but health and metrics answer", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { maxConcurrency: 2 } })
      const gate = yield* Deferred.make<void>()
      node.holdCommits(gate)
      const held = yield* Effect.forEach(["a", "b"], (value) => publish(node, "a.example", value), {
        concurrency: 2
      }).pipe(Effect.fork)
      yield* Effect.sleep("150 millis")
      const shed = yield* publish(node, "a.example", "c")
      assert.deepStrictEqual(
        [shed.status, shed.json.code, shed.headers.get("retry-after")],
        [503, "overloaded", "1"]
      )
      for (const target of ["/health", "/livez", "/readyz", "/metrics"])
        assert.strictEqual((yield* ask(node, "GET", target)).status, 200, target)
      assert.strictEqual((yield* ask(node, "GET", "/stats")).status, 503)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(
        (yield* Fiber.join(held)).map(({ status }) => status),
        [201, 201]
      )
      assert.strictEqual((yield* publish(node, "a.example", "c")).status, 201)
    })
  )
})

describe("an unwanted long body", () => {
  it.scopedLive("keeps nobody else out while it is read to its end", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { maxConcurrency: 1 } })
      const head = `POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 100000000\r\n\r\n`
      const long = yield* Effect.fork(raw(node, [head]))
      yield* Effect.sleep("100 millis")
      assert.strictEqual((yield* publish(node, "a.example", "x")).status, 201)
      assert.deepStrictEqual(statuses((yield* Fiber.join(long)).text), ["400"])
    })
  )
})

describe("the end", () => {
  const startIn = (scope: Scope.Scope, shutdownTimeout: number) =>
    Scope.extend(start({ shutdownTimeout }), scope)

  it.scopedLive("lets a publish in flight finish, and half-sent requests do not hold it up", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const node = yield* startIn(scope, 5)
      const gate = yield* Deferred.make<void>()
      node.holdCommits(gate)
      const publishing = yield* Effect.fork(publish(node, "a.example", "x"))
      const silent = yield* Effect.fork(raw(node, ["GET /li"], 8000))
      yield* Effect.sleep("150 millis")
      const started = performance.now()
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.sleep("150 millis")
      const late = yield* raw(node, ["GET /livez HTTP/1.1\r\nHost: n\r\n\r\n"], 500)
      assert.strictEqual(late.text, "")
      yield* Deferred.succeed(gate, undefined)
      const answer = yield* Fiber.join(publishing)
      assert.strictEqual(answer.status, 201)
      assert.strictEqual(answer.headers.get("connection"), "close")
      yield* Fiber.join(closing)
      assert.isBelow(performance.now() - started, 2500)
      assert.isTrue((yield* Fiber.join(silent)).closed)
    })
  )

  it.scopedLive("comes within the budget whatever a client does", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const node = yield* startIn(scope, 0.4)
      const stuck = yield* Effect.fork(
        raw(node, [`POST ${path} HTTP/1.1\r\nHost: n\r\nContent-Length: 50\r\n\r\n{`], 8000)
      )
      yield* Effect.sleep("100 millis")
      const started = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - started, 1500)
      assert.isTrue((yield* Fiber.join(stuck)).closed)
    })
  )
})
