import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, LogLevel } from "effect"
import { createServer } from "node:net"
import { layer as diskSpace } from "../../src/runtime/DiskSpace.ts"
import { Readiness } from "../../src/runtime/Readiness.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { ask, closed, operatorToken, publish, raw, start, type TestNode } from "./TestNode.ts"

/** One sample of the metrics page; the registry is shared by all tests of a process. */
const sample = (node: TestNode, series: string) =>
  Effect.map(ask(node, "GET", "/metrics", { token: operatorToken }), ({ text }) => {
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  })

/** How much a sample grows while `effect` runs. */
const growth = <A>(node: TestNode, series: string, effect: Effect.Effect<A>) =>
  Effect.gen(function* () {
    const before = yield* sample(node, series)
    yield* effect
    yield* Effect.sleep("20 millis")
    return ((yield* sample(node, series)) ?? Number.NaN) - (before ?? Number.NaN)
  })

const requests = (method: string, status: number) =>
  `dmp_http_requests_total{method="${method}",status="${status}"}`

describe("the metrics page", () => {
  it.scopedLive("has the series alerts ask for before anything happened", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const series of [
        requests("POST", 201),
        requests("POST", 429),
        requests("DELETE", 204),
        "dmp_records",
        `dmp_http_shed_total{reason="concurrency"}`,
        `dmp_http_auth_failures_total{reason="missing"}`,
        `dmp_http_request_duration_seconds_count{route="/v1/records/{name}"}`
      ])
        assert.isNumber(yield* sample(node, series), series)
    })
  )

  it.scopedLive("counts each request once, by method and status", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const token = { token: operatorToken }
      const path = "/v1/records/a.example"
      const cases: ReadonlyArray<readonly [string, number, Effect.Effect<unknown>]> = [
        ["POST", 201, publish(node, "a.example", "x", 60, operatorToken)],
        ["POST", 401, publish(node, "a.example", "x")],
        ["POST", 400, ask(node, "POST", path, { ...token, body: "junk" })],
        ["HEAD", 200, ask(node, "HEAD", path, token)],
        ["DELETE", 204, ask(node, "DELETE", path, token)],
        ["GET", 404, ask(node, "GET", "/nothing")],
        ["OTHER", 405, ask(node, "PUT", path)],
        ["OTHER", 400, raw(node, ["junk\r\n\r\n"])],
        ["OTHER", 404, raw(node, ["PROPFIND /x HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"])]
      ]
      for (const [method, status, effect] of cases)
        assert.strictEqual(
          yield* growth(node, requests(method, status), effect),
          1,
          `${method} ${status}`
        )
      const missing = `dmp_http_auth_failures_total{reason="missing"}`
      assert.strictEqual(yield* growth(node, missing, publish(node, "a.example", "x")), 1)
    })
  )

  it.scopedLive("shows how many values are held", () =>
    Effect.gen(function* () {
      const node = yield* start()
      for (const value of ["a", "b", "c"]) yield* publish(node, "a.example", value)
      assert.strictEqual(yield* sample(node, "dmp_records"), 3)
    })
  )

  it.scopedLive("is served while the store is down", () =>
    Effect.gen(function* () {
      const node = yield* start()
      node.failStore(new StoreError({ reason: "io", message: "" }))
      assert.strictEqual(yield* sample(node, "dmp_records"), 0)
    })
  )
})

describe("the access log", () => {
  const logged = (level: LogLevel.LogLevel) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* Effect.gen(function* () {
        const node = yield* start({ auth: closed("legacy") })
        yield* publish(node, "a.example", "secret-value", 60, operatorToken)
        yield* Effect.sleep("20 millis")
      }).pipe(
        Effect.provide(
          Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(level))
        )
      )
      return lines.join("\n")
    })

  it.scopedLive("is one line at DEBUG, without credential or value", () =>
    Effect.gen(function* () {
      const text = yield* logged(LogLevel.Debug)
      assert.match(text, /127\.0\.0\.1 "POST \/v1\/records\/a\.example" 201/)
      assert.notInclude(text, operatorToken)
      assert.notInclude(text, "secret-value")
    })
  )

  it.scopedLive("is silent above DEBUG", () =>
    Effect.gen(function* () {
      assert.notInclude(yield* logged(LogLevel.Info), "a.example")
    })
  )
})

describe("the log", () => {
  it.scopedLive("tells the operator, not the client, what is wrong with the store", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(
        ({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`)
      )
      const node = yield* start().pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      node.failStore(new StoreError({ reason: "disk-full", message: "no room in /var/lib/dmp" }))
      assert.notInclude((yield* publish(node, "a.example", "x")).text, "/var/lib")
      assert.include(lines, "ERROR store unavailable: disk-full: no room in /var/lib/dmp")
    })
  )
})

describe("listening", () => {
  it.scopedLive("works on IPv6 beside IPv4", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { hosts: ["::1"] } })
      const answer = yield* Effect.promise(() => fetch(`http://[::1]:${node.port}/livez`))
      assert.strictEqual(answer.status, 200)
    })
  )

  it.scopedLive("fails with one line that names the address when the port is taken", () =>
    Effect.gen(function* () {
      const taken = yield* Effect.acquireRelease(
        Effect.async<import("node:net").Server>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      const address = taken.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const exit = yield* Effect.exit(start({ http: { port } }))
      assert.isTrue(Exit.isFailure(exit))
      assert.match(
        String(exit),
        new RegExp(`cannot listen for HTTP on 127\\.0\\.0\\.1:${port}: .*in use`)
      )
    })
  )
})

describe("disk space", () => {
  const report = (atLeast: number, path = "/") =>
    Effect.flatMap(Readiness, (readiness) => readiness.report).pipe(
      Effect.provide(diskSpace({ path, atLeast }).pipe(Layer.provideMerge(Readiness.layer)))
    )
  it.live("is enough, or says how much there is", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* report(0)).ready)
      assert.match((yield* report(Number.MAX_SAFE_INTEGER)).checks["disk"] ?? "", /^\d+ MiB free$/)
      assert.strictEqual((yield* report(0, "/no/such/place")).checks["disk"], "unknown")
    })
  )
})

describe("networks that stand out", () => {
  it.scopedLive("are told to the operator, and to nobody else", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy"), http: { rate: 0.001, burst: 1 } })
      yield* publish(node, "a.example", "x")
      yield* publish(node, "a.example", "x")
      assert.strictEqual((yield* ask(node, "GET", "/v1/talkers")).status, 401)
      const { json } = yield* ask(node, "GET", "/v1/talkers", { token: operatorToken })
      const [first] = json["refused"] as ReadonlyArray<Record<string, unknown>>
      assert.deepInclude(first, { network: "127.0.0.0/24", limit: "http", refusals: 1 })
      assert.deepStrictEqual(json["asking"], [])
    })
  )
})
