/** What every TSIG key store must do; run over memory and over SQLite. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import * as TsigCredentials from "../../src/auth/TsigCredentials.ts"
import type { TsigKey } from "../../src/auth/TsigKey.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"

export const keyFor = (name: string, more?: Partial<TsigKey>): TsigKey => ({
  name,
  algorithm: "hmac-sha256",
  secret: Uint8Array.from({ length: 32 }, (_, at) => (at * 37) & 0xff),
  allowedSuffixes: ["a.mesh.test", "slot-*.mb-*.mesh.test"],
  createdAt: 1000,
  expiresAt: 0,
  revoked: false,
  subject: "alice@mesh.test",
  registeredSpk: "aa".repeat(32),
  registeredX25519Pub: "bb".repeat(32),
  ...more
})

export const suite = (name: string, layer: () => Layer.Layer<TsigKeyStore, unknown>) =>
  describe(name, () => {
    const test = (
      title: string,
      body: (store: TsigKeyStore["Type"]) => Effect.Effect<void, unknown>
    ) => it.effect(title, () => Effect.flatMap(TsigKeyStore, body).pipe(Effect.provide(layer())))

    test("keeps a key octet by octet, under its name in any spelling", (store) =>
      Effect.gen(function* () {
        const key = keyFor("a+b-1.mesh.test")
        yield* store.put({ ...key, name: "A+b-1.Mesh.TEST." })
        assert.deepStrictEqual(yield* store.list, [key])
        assert.deepStrictEqual(yield* store.find("a+B-1.mesh.test."), key)
        assert.isUndefined(yield* store.find("b-1.mesh.test"))
      }))

    test("lists by name and overwrites in place", (store) =>
      Effect.gen(function* () {
        yield* store.put(keyFor("b.test"))
        yield* store.put(keyFor("a.test", { revoked: true }))
        yield* store.put(keyFor("b.test", { secret: Uint8Array.of(1), revoked: false }))
        const keys = yield* store.list
        assert.deepStrictEqual(
          keys.map((key) => [key.name, key.secret.length, key.revoked]),
          [
            ["a.test", 32, true],
            ["b.test", 1, false]
          ]
        )
      }))

    test("revokes once, by name or by subject", (store) =>
      Effect.gen(function* () {
        for (const name of ["a.test", "b.test", "c.test"]) yield* store.put(keyFor(name))
        yield* store.put(keyFor("d.test", { subject: "" }))
        assert.isTrue(yield* store.revoke("A.test."))
        assert.isFalse(yield* store.revoke("a.test"))
        assert.isFalse(yield* store.revoke("none.test"))
        assert.strictEqual(yield* store.revokeSubject("alice@mesh.test"), 2)
        assert.strictEqual(yield* store.revokeSubject("alice@mesh.test"), 0)
        // Keys of nobody are not one subject's.
        assert.strictEqual(yield* store.revokeSubject(""), 0)
        const live = (yield* store.list).filter((key) => !key.revoked)
        assert.deepStrictEqual(
          live.map((key) => key.name),
          ["d.test"]
        )
      }))

    test("gives a live key a new secret, and no other", (store) =>
      Effect.gen(function* () {
        const fresh = Uint8Array.of(1, 2, 3)
        const dead = [keyFor("b.test", { revoked: true }), keyFor("c.test", { expiresAt: 50 })]
        const live = keyFor("a.test", { expiresAt: 51 })
        for (const key of [live, ...dead]) yield* store.put(key)
        assert.isTrue(yield* store.rekey("A.test.", fresh, 50))
        for (const name of ["b.test", "c.test", "d.test"])
          assert.isFalse(yield* store.rekey(name, fresh, 50))
        assert.deepStrictEqual(yield* store.list, [{ ...live, secret: fresh }, ...dead])
      }))

    test("ends a key that is revoked while it is rotated", (store) =>
      Effect.gen(function* () {
        const name = "a.test"
        yield* store.put(keyFor(name))
        const meanwhile = {
          ...store,
          find: (asked: string) => Effect.zipLeft(store.find(asked), store.revoke(asked))
        }
        const rotated = yield* Effect.provideService(
          TsigCredentials.rotate(name, "test"),
          TsigKeyStore,
          meanwhile
        )
        assert.isTrue(Option.isNone(rotated))
        assert.deepStrictEqual(yield* store.find(name), keyFor(name, { revoked: true }))
      }))

    test("ends every key that is rotated and revoked at once, whoever comes first", (store) =>
      Effect.gen(function* () {
        const names = Array.from({ length: 40 }, (_, at) => `k${at}.test`)
        yield* Effect.forEach(names, (name) => store.put(keyFor(name)))
        const acts = names.flatMap((name, at) => {
          const both = [TsigCredentials.rotate(name, "test"), TsigCredentials.revoke(name)]
          return at % 2 === 0 ? both : both.toReversed()
        })
        yield* Effect.all(acts, { concurrency: "unbounded" }).pipe(
          Effect.provideService(TsigKeyStore, store)
        )
        const keys = yield* store.list
        assert.deepStrictEqual(
          keys.filter((key) => !key.revoked),
          []
        )
      }))

    test("rescopes", (store) =>
      Effect.gen(function* () {
        yield* store.put(keyFor("a.test"))
        assert.isTrue(yield* store.rescope("a.test", ["x.test"]))
        assert.isFalse(yield* store.rescope("b.test", ["x.test"]))
        assert.deepStrictEqual((yield* store.find("a.test"))?.allowedSuffixes, ["x.test"])
        assert.isTrue(yield* store.rescope("a.test", []))
        assert.deepStrictEqual((yield* store.find("a.test"))?.allowedSuffixes, [])
      }))

    test("purges what was over or seen revoked for long enough, a bounded number at a time", (store) =>
      Effect.gen(function* () {
        const left = Effect.map(store.list, (keys) => keys.map((key) => key.name))
        yield* store.put(keyFor("a.test", { revoked: true }))
        yield* store.put(keyFor("b.test", { expiresAt: 10 }))
        yield* store.put(keyFor("c.test", { expiresAt: 11 }))
        yield* store.put(keyFor("d.test"))
        yield* store.put(keyFor("e.test", { revoked: true }))
        assert.strictEqual(yield* store.purge(110, 100, 9), 1)
        assert.deepStrictEqual(yield* left, ["a.test", "c.test", "d.test", "e.test"])
        // Put anew it is no longer revoked, and if it is later, its time begins then.
        yield* store.put(keyFor("e.test"))
        assert.strictEqual(yield* store.purge(110, 100, 9), 0)
        yield* store.revoke("e.test")
        assert.strictEqual(yield* store.purge(111, 100, 1), 1)
        assert.strictEqual(yield* store.purge(209, 100, 9), 0)
        assert.strictEqual(yield* store.purge(210, 100, 9), 1)
        assert.deepStrictEqual(yield* left, ["d.test", "e.test"])
        assert.strictEqual(yield* store.purge(211, 100, 9), 1)
        assert.deepStrictEqual(yield* left, ["d.test"])
      }))

    test("has another revision after each change, and the same without one", (store) =>
      Effect.gen(function* () {
        const seen = new Set([yield* store.revision])
        const changes = [
          store.put(keyFor("a.test")),
          store.rescope("a.test", []),
          store.rekey("a.test", Uint8Array.of(1), 0),
          store.revoke("a.test"),
          store.purge(0, 0, 9)
        ]
        for (const change of changes) {
          yield* change
          const revision = yield* store.revision
          assert.isFalse(seen.has(revision))
          assert.strictEqual(yield* store.revision, revision)
          seen.add(revision)
        }
      }))
  })
