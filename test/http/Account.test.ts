/** What users are told about themselves: theirs alone, and never more. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { Account } from "../../src/auth/Account.ts"
import { Audit } from "../../src/auth/Audit.ts"
import * as MemoryTokenStore from "../../src/auth/MemoryTokenStore.ts"
import { RegistrationConfig } from "../../src/auth/RegistrationConfig.ts"
import * as Subject from "../../src/auth/Subject.ts"
import { TokenAuth } from "../../src/auth/TokenAuth.ts"
import { TokenCache } from "../../src/auth/TokenCache.ts"
import * as TokenFormat from "../../src/auth/TokenFormat.ts"
import * as Tokens from "../../src/auth/Tokens.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import { environment } from "../auth/Fixture.ts"
import { alice, claimOf, keyB, rowFor } from "../auth/TokenStoreSuite.ts"
import { ask, closed, operatorToken, publish, start, type TestNode } from "./TestNode.ts"

const own = `id-${Subject.hash16(alice)}.example.com`
const pool = "slot-3.mb-b2f86d448584.example.com"

/** A node whose users are in memory, and a token of alice's. */
const community = Effect.gen(function* () {
  const layer = Layer.mergeAll(Tokens.layer, Account.layer).pipe(
    Layer.provideMerge(Layer.mergeAll(TokenCache.layer, Audit.layer)),
    Layer.provideMerge(MemoryTokenStore.layer),
    Layer.provideMerge(Layer.mergeAll(RegistrationConfig.layer, ZoneConfig.layer)),
    Layer.provide(
      Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
    )
  )
  const services = yield* Layer.build(layer)
  const all = Layer.succeedContext(services)
  const node = yield* start({
    auth: closed("multi-tenant"),
    tokens: all as Layer.Layer<TokenAuth>,
    account: all as Layer.Layer<Account>
  })
  const mint = (more: Parameters<typeof rowFor>[1] = {}) =>
    Effect.gen(function* () {
      const token = Redacted.value(yield* TokenFormat.generate)
      const row = rowFor(alice, {
        tokenHash: TokenFormat.hash(token),
        issuedAt: 1000,
        expiresAt: null,
        ...more
      })
      yield* (yield* TokenCache).mint("issue", row, claimOf(row, { now: row.issuedAt }))
      return token
    }).pipe(Effect.provide(services))
  const flush = Effect.flatMap(Audit, ({ flush }) => flush).pipe(Effect.provide(services))
  const store = yield* Effect.provide(TokenStore, services)
  return { node, mint, flush, store }
})

const get = (node: TestNode, path: string, token?: string) =>
  ask(node, "GET", path, token === undefined ? {} : { token })

describe("/v1/account", () => {
  it.scopedLive("says who the holder is, what the token may do, and which names are theirs", () =>
    Effect.gen(function* () {
      const { mint, node } = yield* community
      const token = yield* mint()
      const { headers, json, status } = yield* get(node, "/v1/account", token)
      assert.strictEqual(status, 200)
      assert.deepInclude(json, {
        subject: "alice@example.com",
        held_since: 1000,
        token: { issued_at: 1000, expires_at: null, rate_per_sec: 10, rate_burst: 50 }
      })
      const names = json["names"] as ReadonlyArray<string>
      assert.includeMembers([...names], [own, `rotate.${own}`, "dmp.alice.example.com"])
      for (const name of names)
        assert.strictEqual((yield* publish(node, name, "x", 60, token)).status, 201, name)
      assert.match(headers.get("ratelimit") ?? "", /^"token";r=50;t=1$/)
    })
  )

  it.scopedLive("opens to a living user token alone", () =>
    Effect.gen(function* () {
      const { mint, node } = yield* community
      const token = yield* mint({ expiresAt: 1001 })
      for (const path of ["/v1/account", "/v1/account/records", "/v1/account/audit"]) {
        assert.strictEqual((yield* get(node, path)).status, 401)
        assert.strictEqual((yield* get(node, path, "wrong")).status, 401)
        assert.strictEqual((yield* get(node, path, token)).status, 401)
        assert.strictEqual((yield* get(node, path, operatorToken)).status, 403)
      }
    })
  )

  it.scopedLive("is nowhere on a node without users", () =>
    Effect.gen(function* () {
      const node = yield* start()
      assert.strictEqual((yield* get(node, "/v1/account")).status, 404)
    })
  )

  it.scopedLive("reads one's own records, by name too, and nobody else's", () =>
    Effect.gen(function* () {
      const { mint, node } = yield* community
      const token = yield* mint({ subjectHash12: "0123456789ab" })
      const prekey = "pk-7.0123456789ab.example.com"
      yield* publish(node, own, "mine", 60, token)
      yield* publish(node, prekey, "prekey", 60, token)
      yield* publish(node, pool, "shared", 60, token)
      yield* publish(node, "dmp.bob.example.com", "his", 60, operatorToken)
      const all = yield* get(node, "/v1/account/records", token)
      const [record, ...others] = all.json["records"] as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(others, [])
      assert.deepInclude(record, { name: own, value: "mine" })
      assert.isAtMost(Number(record!["seconds_left"]), 60)
      const named = yield* get(node, `/v1/account/records?name=${prekey}&name=${own}.`, token)
      assert.deepStrictEqual(
        (named.json["records"] as ReadonlyArray<Record<string, unknown>>).map(({ value }) => value),
        ["prekey", "mine"]
      )
      for (const foreign of [pool, "dmp.bob.example.com", "", "x", "%00", own + ".x"])
        assert.strictEqual(
          (yield* get(node, `/v1/account/records?name=${foreign}`, token)).status,
          403,
          foreign
        )
      const too = Array.from({ length: 65 }, () => `name=${own}`).join("&")
      assert.strictEqual((yield* get(node, `/v1/account/records?${too}`, token)).status, 400)
      const gone = yield* ask(node, "DELETE", `/v1/records/${own}`, { token })
      assert.strictEqual(gone.status, 204)
      assert.deepStrictEqual((yield* get(node, "/v1/account/records", token)).json["records"], [])
    })
  )

  it.scopedLive("reads one's own audit, filtered, without the operator's notes", () =>
    Effect.gen(function* () {
      const { flush, mint, node } = yield* community
      const token = yield* mint({ note: "a friend of Bob's", issuer: "admin:root" })
      yield* publish(node, own, "x", 60, token)
      yield* publish(node, pool, "x", 60, token)
      yield* publish(node, "dmp.bob.example.com", "x", 60, token)
      yield* flush
      const entries = function* (query: string) {
        const answer = yield* get(node, `/v1/account/audit${query}`, token)
        assert.strictEqual(answer.status, 200)
        assert.notInclude(answer.text, "friend")
        return answer.json["entries"] as ReadonlyArray<Record<string, unknown>>
      }
      const all = yield* Effect.gen(() => entries(""))
      assert.deepStrictEqual(
        all.map(({ detail, event }) => [event, detail]),
        [
          ["rejected", "owner-exclusive: subject mismatch"],
          ["used", "owner-exclusive"],
          ["issued", "by the operator"]
        ]
      )
      assert.strictEqual(all[0]!["token"], TokenFormat.hash(token).slice(0, 12))
      assert.strictEqual((yield* Effect.gen(() => entries("?event=used"))).length, 1)
      assert.strictEqual((yield* Effect.gen(() => entries("?limit=2"))).length, 2)
      assert.strictEqual((yield* Effect.gen(() => entries("?until=1000"))).length, 1)
      assert.strictEqual((yield* Effect.gen(() => entries("?since=1001"))).length, 2)
      for (const bad of ["event=x", "limit=0", "limit=501", "limit=x", "since=-1", "until=1e9"])
        assert.strictEqual((yield* get(node, `/v1/account/audit?${bad}`, token)).status, 400, bad)
    })
  )

  it.scopedLive("shows a new holder of a subject nothing of the one before", () =>
    Effect.gen(function* () {
      const { flush, mint, node, store } = yield* community
      const first = yield* mint()
      yield* publish(node, own, "x", 60, first)
      yield* flush
      const later = Math.floor(Date.now() / 1000) + 10
      yield* store.transfer(alice, keyB, later, "sold")
      const second = yield* mint({ registeredSpk: keyB, issuedAt: later })
      const { json } = yield* get(node, "/v1/account/audit", second)
      const events = (json["entries"] as ReadonlyArray<Record<string, unknown>>).map(
        ({ event }) => event
      )
      assert.notInclude(events, "used")
      assert.include(events, "issued")
    })
  )
})
