/** Who may write what with a token, what the audit keeps of it, and what it must never join. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { Audit } from "../../src/auth/Audit.ts"
import * as Subject from "../../src/auth/Subject.ts"
import { TokenAuth } from "../../src/auth/TokenAuth.ts"
import { TokenCache } from "../../src/auth/TokenCache.ts"
import * as TokenFormat from "../../src/auth/TokenFormat.ts"
import type { TokenRow } from "../../src/auth/TokenRow.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { ask, count, credentials } from "./Fixture.ts"
import { alice, claimOf, rowFor } from "./TokenStoreSuite.ts"

const own = `id-${Subject.hash16(alice)}.example.com`
const pool = "slot-3.mb-b2f86d448584.example.com"

/** Mints a token of alice's as the node does. */
const mint = (more?: Partial<TokenRow>) =>
  Effect.gen(function* () {
    const token = Redacted.value(yield* TokenFormat.generate)
    const row = rowFor(alice, {
      tokenHash: TokenFormat.hash(token),
      issuedAt: 0,
      expiresAt: 10_000,
      ...more
    })
    yield* (yield* TokenCache).mint("issue", row, claimOf(row))
    return { token, row }
  })

const trail = Effect.gen(function* () {
  yield* (yield* Audit).flush
  const rows = yield* (yield* TokenStore).tailAudit({ limit: 1000 })
  return rows.filter(({ event }) => event !== "issued").reverse()
})

describe("Tokens", () => {
  it.effect.each([
    [own, "publish", "Granted"],
    [own.toUpperCase(), "publish", "Granted"],
    [own, "delete", "Granted"],
    [`prekeys.id-${Subject.hash12(alice)}.example.com.`, "delete", "Granted"],
    [`rotate.${own}`, "publish", "Granted"],
    ["dmp.alice.example.com", "publish", "Granted"],
    [pool, "publish", "Granted"],
    ["chunk-0001-71e035ace541.example.com", "publish", "Granted"],
    ["claim-1.mb-b2f86d448584.example.com", "publish", "Granted"],
    [pool, "delete", "Forbidden"],
    ["chunk-0001-71e035ace541.example.com", "delete", "Forbidden"],
    ["chunk-0001-71e035ace541.evil.org", "publish", "Forbidden"],
    ["dmp.bob.example.com", "publish", "Forbidden"],
    ["id-0000000000000000.example.com", "publish", "Forbidden"],
    ["cluster.example.com", "publish", "Forbidden"],
    ["_dnsmesh-heartbeat.example.com", "publish", "Forbidden"],
    ["", "publish", "Forbidden"],
    ["x y", "delete", "Forbidden"]
  ] as const)("decides %j by scope", ([owner, operation, outcome]) =>
    Effect.gen(function* () {
      const { token } = yield* mint()
      assert.strictEqual(yield* ask(token, owner, operation), outcome)
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("grants the one write that was asked for and no other", () =>
    Effect.gen(function* () {
      const { token } = yield* mint()
      const { grant } = yield* (yield* TokenAuth).authorize(
        token,
        "publish",
        `${own}.`,
        "192.0.2.7"
      )
      assert.isTrue(grant.allows("add", unsafeMake(own)))
      assert.isFalse(grant.allows("delete", unsafeMake(own)))
      assert.isFalse(grant.allows("add", unsafeMake(`x.${own}`)))
      assert.isTrue(grant.mayShorten)
      const { grant: shared } = yield* (yield* TokenAuth).authorize(
        token,
        "publish",
        pool,
        "192.0.2.7"
      )
      assert.isFalse(shared.mayShorten)
      assert.notInclude(shared.subject, "alice")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("lets a subject of another domain into the pool, but to no identity", () =>
    Effect.gen(function* () {
      const evil = Subject.unsafeMake("alice@evil.org")
      const { token } = yield* mint({ subject: evil })
      for (const owner of [own, "dmp.alice.example.com", `id-${Subject.hash16(evil)}.evil.org`])
        assert.strictEqual(yield* ask(token, owner), "Forbidden", owner)
      assert.strictEqual(yield* ask(token, pool), "Granted")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("gives a stranger, an ended and a revoked token the same answer", () =>
    Effect.gen(function* () {
      const { row, token } = yield* mint({ rateBurst: 1, ratePerSec: 0.001 })
      assert.strictEqual(yield* ask(token, own), "Granted")
      assert.strictEqual(yield* ask(token, own), "Throttled")
      yield* (yield* TokenStore).revoke(row.tokenHash, 1)
      yield* (yield* TokenCache).refresh
      // Not 429: a revoked token has no bucket.
      assert.strictEqual(yield* ask(token, own), "Unauthorized")
      const ended = yield* mint({ expiresAt: 5 })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* ask(ended.token, own), "Unauthorized")
      assert.strictEqual(yield* ask(`dmp_v1_${"A".repeat(52)}`, own), "Unauthorized")
      assert.strictEqual(yield* ask("operator-token-of-this-test", own), "Unauthorized")
      assert.strictEqual(yield* ask("", ""), "Unauthorized")
      const rejected = (yield* trail).filter(({ event }) => event === "rejected")
      assert.deepStrictEqual(
        rejected.map(({ detail, subject, tokenHash }) => [detail, subject, tokenHash]),
        [
          ["token expired or revoked", null, null],
          ["no such token", null, null]
        ]
      )
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("asks about the scope before it spends a write", () =>
    Effect.gen(function* () {
      const { token } = yield* mint({ rateBurst: 1, ratePerSec: 0.001 })
      for (let i = 0; i < 5; i++)
        assert.strictEqual(yield* ask(token, "cluster.example.com"), "Forbidden")
      assert.strictEqual(yield* ask(token, own), "Granted")
      assert.strictEqual(yield* ask(token, own), "Throttled")
      assert.strictEqual(yield* ask(token, "cluster.example.com"), "Forbidden")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("refills by the token's own rate, and zero lifts it", () =>
    Effect.gen(function* () {
      const slow = yield* mint({ rateBurst: 2, ratePerSec: 1 })
      const free = yield* mint({ rateBurst: 50, ratePerSec: 0 })
      assert.strictEqual(yield* ask(slow.token, own), "Granted")
      assert.strictEqual(yield* ask(slow.token, pool), "Granted")
      assert.strictEqual(yield* ask(slow.token, pool), "Throttled")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* ask(slow.token, own), "Granted")
      for (let i = 0; i < 200; i++) assert.strictEqual(yield* ask(free.token, own), "Granted")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("names the holder for own names, and nobody for the shared pool", () =>
    Effect.gen(function* () {
      const { row, token } = yield* mint({ rateBurst: 2, ratePerSec: 0.001 })
      yield* ask(token, own)
      yield* ask(token, pool)
      yield* ask(token, own)
      yield* ask(token, pool)
      yield* ask(token, pool, "delete")
      yield* ask(token, "cluster.example.com")
      yield* ask(token, "_x.example.com")
      yield* ask(token, "dmp.bob.example.com")
      const rows = yield* trail
      const shown = rows.map((entry) => [entry.event, entry.tokenHash, entry.subject, entry.detail])
      const named = [row.tokenHash, alice]
      const unnamed = [null, null]
      assert.deepStrictEqual(shown, [
        ["used", ...named, "owner-exclusive"],
        ["used", ...unnamed, "shared-pool"],
        ["throttled", ...named, "owner-exclusive"],
        ["throttled", ...unnamed, "shared-pool"],
        ["rejected", ...unnamed, "shared-pool delete refused"],
        ["rejected", ...unnamed, "operator-only scope: not a name users write"],
        ["rejected", ...unnamed, "unknown scope: characters outside letters, digits, - and ."],
        ["rejected", ...named, "owner-exclusive: subject mismatch"]
      ])
      assert.isTrue(rows.every((entry) => entry.remoteAddr === "192.0.2.0"))
      // The split-audit promise, read off the rows themselves.
      for (const entry of rows.filter(({ detail }) => detail?.startsWith("shared-pool")))
        assert.isTrue(entry.tokenHash === null && entry.subject === null)
      assert.notInclude(JSON.stringify(rows), "b2f86d448584")
    }).pipe(Effect.provide(credentials()))
  )

  it.effect("writes no row for malformed tokens, and one counted row for thousands unknown", () =>
    Effect.gen(function* () {
      const before = yield* count("dmp_auth_failures_total", "reason", "unknown")
      yield* ask("nonsense", own)
      for (let i = 0; i < 3000; i++) {
        const token = Redacted.value(yield* TokenFormat.generate)
        yield* ask(token, own, "publish", `198.51.${i % 100}.${i % 250}`)
      }
      yield* TestClock.adjust("61 seconds")
      const rows = yield* trail
      assert.isBelow(rows.length, 140)
      const counted = rows
        .map(({ detail }) => Number(/\((\d+) more\)/.exec(detail ?? "")?.[1] ?? 1))
        .reduce((sum, more) => sum + more, 0)
      assert.strictEqual(counted, 3000)
      const after = yield* count("dmp_auth_failures_total", "reason", "unknown")
      assert.strictEqual(after - before, 3000)
    }).pipe(Effect.provide(credentials()))
  )

  it.effect.each([
    ["full", "2001:db8:1:2::5", "2001:db8:1:2::5"],
    ["network", "2001:db8:1:2::5", "2001:db8:1::"],
    ["none", "2001:db8:1:2::5", null]
  ] as const)("keeps addresses as %j says", ([detail, remote, kept]) =>
    Effect.gen(function* () {
      const { token } = yield* mint()
      yield* ask(token, own, "publish", remote)
      assert.strictEqual((yield* trail)[0]?.remoteAddr, kept)
    }).pipe(Effect.provide(credentials({ DMP_AUDIT_ADDRESSES: detail })))
  )
})
