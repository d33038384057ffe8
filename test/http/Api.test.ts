import { assert, describe, it } from "@effect/vitest"
import { FetchHttpClient, HttpApiClient } from "@effect/platform"
import { Effect, Either } from "effect"
import { Api } from "../../src/http/Api.ts"
import * as Dispatch from "../../src/http/Dispatch.ts"
import { document } from "../../src/http/OpenApiDocument.ts"
import { ask, closed, publish, start } from "./TestNode.ts"

describe("the description", () => {
  it.scopedLive("is what the node does: a client made from it publishes, reads and withdraws", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const { operations, records } = yield* HttpApiClient.make(Api, { baseUrl: node.url })
      const path = { name: "dmp.alice.mesh.example" }
      const published = yield* records.publish({ path, payload: { value: "x", ttl: 60 } })
      assert.deepStrictEqual(published, { ok: true })
      assert.deepStrictEqual(yield* records.read({ path }), { name: path.name, values: ["x"] })
      yield* records.withdraw({ path, payload: { value: "x" } })
      assert.isTrue(Either.isLeft(yield* Effect.either(records.withdraw({ path, payload: {} }))))
      const gone = yield* Effect.flip(records.read({ path }))
      assert.deepStrictEqual({ ...gone }, { name: path.name, values: [] })
      const refusal = yield* Effect.flip(
        records.publish({ path, payload: { value: "x", ttl: 86_401 } })
      )
      assert.include({ ...refusal }, { error: "ttl exceeds cap of 86400s", code: "ttl-too-long" })
      assert.deepStrictEqual(yield* operations.stats(), { records: 0 })
      assert.strictEqual((yield* operations.readyz()).status, "ready")
      assert.include(yield* operations.metrics(), "# TYPE dmp_http_requests_total counter")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("covers every described path, and names nothing the node does not answer", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const served = yield* ask(node, "GET", "/openapi.json")
      assert.strictEqual(served.json.openapi, "3.1.0")
      assert.deepStrictEqual(
        Object.keys(Object(served.json["paths"])),
        Object.keys(document().paths)
      )
      for (const [template, item] of Object.entries(document().paths).filter(
        // They are there where users are.
        ([template]) => !/^\/v1\/(?:registration|account|admin)/.test(template)
      ))
        for (const method of Object.keys(item)) {
          const { json, status } = yield* ask(
            node,
            method.toUpperCase(),
            template.replace("{name}", "a.b")
          )
          assert.notStrictEqual(status, 405, `${method} ${template}`)
          assert.notStrictEqual(json?.code, "not-found", `${method} ${template}`)
        }
      for (const path of [
        "/health",
        "/livez",
        "/readyz",
        "/stats",
        "/metrics",
        "/v1/records/{name}"
      ])
        assert.property(document().paths, path)
    })
  )

  it.scopedLive("is shown to people without a script or a foreign asset", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const page = yield* ask(node, "GET", "/docs")
      assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
      assert.notMatch(page.text, /<script|https?:\/\/|style=/i)
      assert.notInclude(page.headers.get("content-security-policy") ?? "", "unsafe")
      for (const path of Object.keys(document().paths)) assert.include(page.text, path)
      for (const [, link] of page.text.matchAll(/(?:href|src)="(\/[^"]*)"/g))
        assert.strictEqual((yield* ask(node, "GET", link!)).status, 200, link)
    })
  )
})

describe("the status page", () => {
  it.scopedLive("says what the node holds, and may be kept for half a minute", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const page = yield* ask(node, "GET", "/")
      assert.strictEqual(page.headers.get("cache-control"), "public, max-age=30")
      assert.include(page.text, "its operator's own")
      assert.strictEqual((yield* ask(node, "GET", "/index.html")).text, page.text)
    })
  )

  it.scopedLive("is rendered at most twice a minute", () =>
    Effect.gen(function* () {
      const node = yield* start()
      const before = yield* ask(node, "GET", "/")
      yield* publish(node, "a.example", "x")
      assert.strictEqual((yield* ask(node, "GET", "/")).text, before.text)
    })
  )
})

describe("Dispatch", () => {
  const dispatch = Dispatch.make(Dispatch.apiRoutes(Api), [])
  it("sends HEAD where GET goes", () => {
    assert.strictEqual(dispatch("HEAD", "/health"), dispatch("GET", "/health"))
  })
  it("matches templates segment by segment", () => {
    assert.strictEqual(dispatch("POST", "/v1/records/a.b")._tag, "Api")
    assert.strictEqual(dispatch("POST", "/v1/records/a/b")._tag, "NotFound")
    assert.strictEqual(dispatch("GET", "/healthX")._tag, "NotFound")
    assert.strictEqual(dispatch("PUT", "/health")._tag, "MethodNotAllowed")
  })
  it.each([
    ["/a?b?c", "/a", "?b?c"],
    ["/a", "/a", ""],
    ["http://h:1/a?b", "/a", "?b"],
    ["*", "*", ""]
  ])("splits the target %s", (target, path, query) => {
    assert.deepStrictEqual(Dispatch.split(target), { path, query })
  })
})
