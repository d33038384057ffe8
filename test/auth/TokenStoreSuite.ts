/** What every token database must do; run over memory and over SQLite. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { Claim } from "../../src/auth/Ownership.ts"
import * as Subject from "../../src/auth/Subject.ts"
import type { TokenRow } from "../../src/auth/TokenRow.ts"
import { type AuditFilter, TokenStore } from "../../src/auth/TokenStore.ts"

export const alice = Subject.unsafeMake("alice@example.com")
export const [keyA, keyB] = ["aa".repeat(32), "bb".repeat(32)]
let serial = 0

export const rowFor = (subject: Subject.Subject, more?: Partial<TokenRow>): TokenRow => ({
  tokenHash: (++serial).toString(16).padStart(64, "0"),
  subject,
  subjectType: 1,
  subjectHash12: null,
  ratePerSec: 10,
  rateBurst: 50,
  issuedAt: 1000,
  expiresAt: 2000,
  revokedAt: null,
  issuer: "self-service",
  note: "",
  registeredSpk: keyA,
  ...more
})

export const claimOf = (row: TokenRow, more?: Partial<Claim>): Claim => ({
  subject: row.subject,
  spk: row.registeredSpk,
  now: row.issuedAt,
  reservedUntil: row.expiresAt === null ? null : row.expiresAt + 1000,
  predecessors: [],
  published: [],
  ...more
})

export const suite = (name: string, layer: () => Layer.Layer<TokenStore, unknown>) =>
  describe(name, () => {
    const test = (
      title: string,
      body: (store: TokenStore["Type"]) => Effect.Effect<void, unknown>
    ) => it.effect(title, () => Effect.flatMap(TokenStore, body).pipe(Effect.provide(layer())))

    const register = (store: TokenStore["Type"], row: TokenRow, more?: Partial<Claim>) =>
      store.mint("register", row, claimOf(row, more))

    test("keeps a token as it was minted, and says so in the audit", (store) =>
      Effect.gen(function* () {
        const row = rowFor(alice, {
          subjectHash12: "cfa570c653bd",
          ratePerSec: 0.5,
          expiresAt: null
        })
        assert.deepStrictEqual(yield* register(store, row), { _tag: "Minted", superseded: [] })
        assert.deepStrictEqual(yield* store.listTokens({ includeRevoked: false }), [row])
        assert.deepStrictEqual(yield* store.tailAudit({ limit: 9 }), [
          {
            ts: 1000,
            event: "issued",
            tokenHash: row.tokenHash,
            subject: alice,
            remoteAddr: null,
            detail: "self-service"
          }
        ])
      }))

    test("replaces self-service tokens on registering again, also expired ones", (store) =>
      Effect.gen(function* () {
        const first = rowFor(alice)
        const admins = rowFor(alice, { registeredSpk: null, issuer: "admin:root" })
        const second = rowFor(alice, { issuedAt: 9000, expiresAt: 9900 })
        yield* register(store, first)
        yield* store.mint("issue", admins, claimOf(admins))
        const outcome = yield* register(store, second)
        assert.deepStrictEqual(outcome, { _tag: "Minted", superseded: [first.tokenHash] })
        const left = yield* store.listTokens({ includeRevoked: false })
        assert.deepStrictEqual(
          left.map((row) => row.tokenHash),
          [second.tokenHash, admins.tokenHash]
        )
        const [issued, revoked] = yield* store.tailAudit({ limit: 2 })
        assert.strictEqual(issued?.event, "issued")
        assert.strictEqual(revoked?.detail, "self-service rotate: superseded")
        assert.strictEqual(revoked?.tokenHash, first.tokenHash)
      }))

    test("refuses another key and writes nothing", (store) =>
      Effect.gen(function* () {
        const mine = rowFor(alice)
        const other = rowFor(alice, { registeredSpk: keyB, issuedAt: 1500 })
        yield* register(store, mine)
        assert.deepStrictEqual(yield* register(store, other), { _tag: "Refused", reason: "taken" })
        assert.deepStrictEqual(yield* store.listTokens({ includeRevoked: true }), [mine])
        assert.strictEqual((yield* store.tailAudit({ limit: 9 })).length, 1)
      }))

    test("keeps the subject past expiry and revocation, then lets it go", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        yield* store.revokeSubject(alice, 1200)
        for (const issuedAt of [1300, 2500, 2999])
          assert.strictEqual(
            (yield* register(store, rowFor(alice, { registeredSpk: keyB, issuedAt })))._tag,
            "Refused"
          )
        const late = rowFor(alice, { registeredSpk: keyB, issuedAt: 3000, expiresAt: 4000 })
        assert.strictEqual((yield* register(store, late))._tag, "Minted")
        assert.strictEqual((yield* store.findOwner(alice))?.spk, keyB)
      }))

    test("never lets go of what never ends", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice, { expiresAt: null }))
        yield* store.revokeSubject(alice, 1200)
        const other = rowFor(alice, { registeredSpk: keyB, issuedAt: 9_000_000 })
        assert.strictEqual((yield* register(store, other))._tag, "Refused")
      }))

    test("reserves what the operator issued", (store) =>
      Effect.gen(function* () {
        const admins = rowFor(alice, { registeredSpk: null, issuer: "admin:root" })
        yield* store.mint("issue", admins, claimOf(admins))
        assert.strictEqual((yield* register(store, rowFor(alice)))._tag, "Refused")
        assert.strictEqual((yield* store.findOwner(alice))?.spk, null)
      }))

    test("lets a token and another credential be held by one key only", (store) =>
      Effect.gen(function* () {
        const mine = rowFor(alice)
        yield* register(store, mine)
        const theirs = claimOf(mine, { spk: keyB, now: 1100 })
        assert.deepStrictEqual(yield* store.claim(theirs), { _tag: "Refused", reason: "taken" })
        const ours = yield* store.claim(claimOf(mine, { now: 1100, reservedUntil: 5000 }))
        assert.strictEqual(ours._tag === "Held" && ours.owner.reservedUntil, 5000)
        const bob = Subject.unsafeMake("bob@example.com")
        const claim = claimOf(rowFor(bob), { spk: keyB })
        assert.strictEqual((yield* store.claim(claim))._tag, "Held")
        assert.strictEqual((yield* register(store, rowFor(bob)))._tag, "Refused")
      }))

    test("hands over along a chain of rotations and ends the former tokens", (store) =>
      Effect.gen(function* () {
        const old = rowFor(alice)
        yield* register(store, old)
        const claim = claimOf(old, { spk: keyB, now: 1100, predecessors: [keyA] })
        const held = yield* store.claim(claim)
        assert.deepStrictEqual(held._tag === "Held" && held.superseded, [old.tokenHash])
        assert.deepStrictEqual(yield* store.listTokens({ includeRevoked: false }), [])
        // The former key cannot come back by the same chain.
        assert.strictEqual(
          (yield* register(store, rowFor(alice, { issuedAt: 1200 })))._tag,
          "Refused"
        )
      }))

    test("refuses a first comer whom the published identity is not", (store) =>
      Effect.gen(function* () {
        const row = rowFor(alice)
        assert.strictEqual((yield* register(store, row, { published: [keyB] }))._tag, "Refused")
        assert.strictEqual(
          (yield* register(store, row, { published: [keyB], predecessors: [keyB] }))._tag,
          "Minted"
        )
      }))

    test("bans subject and key, revokes what they hold, and outlasts every reservation", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        assert.strictEqual(yield* store.ban(alice, 1100, "spam"), 1)
        const banned = { _tag: "Refused", reason: "banned" } as const
        const later = { issuedAt: 99_000, expiresAt: 99_900 }
        assert.deepStrictEqual(yield* register(store, rowFor(alice, later)), banned)
        const bob = Subject.unsafeMake("bob@example.com")
        assert.deepStrictEqual(yield* register(store, rowFor(bob, later)), banned)
        const admins = rowFor(alice, { ...later, registeredSpk: null })
        assert.deepStrictEqual(yield* store.mint("issue", admins, claimOf(admins)), banned)
        assert.isTrue(yield* store.release(alice, 99_000))
        assert.strictEqual((yield* register(store, rowFor(alice, later)))._tag, "Minted")
        assert.isFalse(yield* store.release(bob, 99_000))
      }))

    test("transfers to a named key and ends the former holder's tokens", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        const owner = yield* store.transfer(alice, keyB, 1100, "lost key")
        assert.strictEqual(owner.spk, keyB)
        assert.deepStrictEqual(yield* store.listTokens({ includeRevoked: false }), [])
        assert.strictEqual((yield* register(store, rowFor(alice)))._tag, "Refused")
        const theirs = rowFor(alice, { registeredSpk: keyB, issuedAt: 1200 })
        assert.strictEqual((yield* register(store, theirs))._tag, "Minted")
      }))

    test("rotates for the operator: one transaction, every other token ends", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        const next = rowFor(alice, {
          registeredSpk: null,
          issuer: "admin:root:rotate",
          note: "rotation"
        })
        const outcome = yield* store.mint("rotate", next, claimOf(next))
        assert.strictEqual(outcome._tag === "Minted" && outcome.superseded.length, 1)
        assert.strictEqual((yield* store.findOwner(alice))?.spk, keyA)
        const [issued] = yield* store.tailAudit({ event: "issued", limit: 1 })
        assert.strictEqual(issued?.detail, "issuer='admin:root:rotate' note='rotation'")
      }))

    test("revokes once", (store) =>
      Effect.gen(function* () {
        const row = rowFor(alice)
        yield* register(store, row)
        assert.isTrue(yield* store.revoke(row.tokenHash, 1100))
        assert.isFalse(yield* store.revoke(row.tokenHash, 1101))
        assert.isFalse(yield* store.revoke("ff", 1101))
        assert.strictEqual(yield* store.revokeSubject(alice, 1102), 0)
        const [kept] = yield* store.listTokens({ subject: alice, includeRevoked: true })
        assert.strictEqual(kept?.revokedAt, 1100)
      }))

    test("names no hash when a whole subject is revoked", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        yield* store.revokeSubject(alice, 1100)
        const [row] = yield* store.tailAudit({ event: "revoked", limit: 1 })
        assert.strictEqual(row?.tokenHash, null)
        assert.strictEqual(row?.detail, "by_subject count=1")
      }))

    test("finds the lines of one subject, event and time", (store) =>
      Effect.gen(function* () {
        const row = { tokenHash: null, remoteAddr: null, detail: null }
        const bob = "bob@example.com"
        yield* store.appendAudit([
          { ...row, ts: 1, event: "used", subject: alice },
          { ...row, ts: 2, event: "rejected", subject: alice },
          { ...row, ts: 3, event: "used", subject: bob },
          { ...row, ts: 4, event: "used", subject: null },
          { ...row, ts: 5, event: "used", subject: alice }
        ])
        const found = (filter: Omit<AuditFilter, "limit">, limit = 9) =>
          Effect.map(store.tailAudit({ ...filter, limit }), (rows) => rows.map(({ ts }) => ts))
        assert.deepStrictEqual(yield* found({ subject: alice }), [5, 2, 1])
        assert.deepStrictEqual(yield* found({ subject: alice, event: "used" }), [5, 1])
        assert.deepStrictEqual(yield* found({ subject: alice }, 2), [5, 2])
        assert.deepStrictEqual(yield* found({ subject: alice, since: 2 }), [5, 2])
        assert.deepStrictEqual(yield* found({ since: 2, until: 4 }), [4, 3, 2])
        assert.deepStrictEqual(yield* found({ event: "used", until: 3 }), [3, 1])
      }))

    test("keeps the audit within age and number", (store) =>
      Effect.gen(function* () {
        const row = { event: "used", tokenHash: null, subject: null, remoteAddr: null, detail: "é" }
        yield* store.appendAudit(Array.from({ length: 20 }, (_, ts) => ({ ...row, ts })))
        assert.strictEqual(yield* store.pruneAudit(5, 10, 3), 3)
        assert.strictEqual(yield* store.pruneAudit(5, 10, 4), 4)
        assert.strictEqual(yield* store.pruneAudit(5, 10, 100), 3)
        const left = yield* store.tailAudit({ limit: 100 })
        assert.deepStrictEqual(
          left.map(({ ts }) => ts),
          [19, 18, 17, 16, 15, 14, 13, 12, 11, 10]
        )
        assert.strictEqual(left[0]?.detail, "é")
        assert.strictEqual(yield* store.pruneAudit(0, 10, 100), 0)
      }))

    test("forgets tokens that ended or were revoked long enough ago, and nobody's ownership", (store) =>
      Effect.gen(function* () {
        const mint = (issuedAt: number, expiresAt: number | null) =>
          Effect.gen(function* () {
            const row = rowFor(alice, { registeredSpk: keyA, issuedAt, expiresAt })
            yield* register(store, row)
            return row.tokenHash
          })
        const revoked = yield* mint(100, null)
        const over = yield* mint(200, 300)
        assert.strictEqual(yield* store.purgeTokens(199, 9), 0)
        const known = Effect.map(store.listTokens({ includeRevoked: true }), (rows) =>
          rows.map(({ tokenHash }) => tokenHash)
        )
        assert.sameMembers([...(yield* known)], [revoked, over])
        // The second superseded the first when it was issued.
        assert.strictEqual(yield* store.purgeTokens(200, 9), 1)
        assert.deepStrictEqual(yield* known, [over])
        const living = yield* mint(290, 1000)
        assert.strictEqual(yield* store.purgeTokens(999, 1), 1)
        assert.deepStrictEqual(yield* known, [living])
        assert.strictEqual(yield* store.purgeTokens(1000, 9), 1)
        assert.strictEqual((yield* store.findOwner(alice))?.spk, keyA)
      }))

    test("lets one of two keys have a subject they race for, and one token of two of one key", (store) =>
      Effect.gen(function* () {
        const rows = [keyA, keyB, keyA, keyB].map((registeredSpk) =>
          rowFor(alice, { registeredSpk })
        )
        const outcomes = yield* Effect.forEach(rows, (row) => register(store, row), {
          concurrency: "unbounded"
        })
        assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Minted").length, 2)
        const live = yield* store.listTokens({ includeRevoked: false })
        assert.strictEqual(live.length, 1)
        assert.strictEqual((yield* store.findOwner(alice))?.spk, live[0]?.registeredSpk)
      }))

    test("adopts owners without touching those there are", (store) =>
      Effect.gen(function* () {
        yield* register(store, rowFor(alice))
        const bob = Subject.unsafeMake("bob@example.com")
        const owner = { spk: keyB, since: 1, reservedUntil: null, bannedAt: null, note: "" }
        const added = yield* store.adopt([
          { ...owner, subject: alice },
          { ...owner, subject: bob }
        ])
        assert.strictEqual(added, 1)
        const owners = yield* store.listOwners
        assert.deepStrictEqual(
          owners.map(({ spk, subject }) => [subject, spk]),
          [
            [alice, keyA],
            [bob, keyB]
          ]
        )
      }))
  })
