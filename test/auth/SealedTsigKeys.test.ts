import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { over } from "../../src/auth/SealedTsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import * as TsigSeal from "../../src/auth/TsigSeal.ts"
import { keyFor, suite } from "./TsigKeyStoreSuite.ts"

const sealKey = Option.some(Uint8Array.from({ length: 32 }, (_, at) => at))
const otherKey = Option.some(new Uint8Array(32).fill(9))

suite("TsigKeyStore with sealed secrets", () =>
  Layer.effect(
    TsigKeyStore,
    Effect.map(TsigKeyStore, (store) => over(store, sealKey))
  ).pipe(Layer.provide(TsigKeyStore.layerMemory))
)

describe("a sealed secret", () => {
  const key = keyFor("alice.mesh.test")
  const withStore = <A, E>(body: (store: TsigKeyStore["Type"]) => Effect.Effect<A, E>) =>
    Effect.flatMap(TsigKeyStore, body).pipe(Effect.provide(TsigKeyStore.layerMemory))

  it.effect("does not lie in the store as it is, and never twice the same", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const stored = Effect.map(store.find(key.name), (row) => Buffer.from(row?.secret ?? []))
        yield* over(store, sealKey).put(key)
        const first = yield* stored
        yield* over(store, sealKey).put(key)
        const second = yield* stored
        assert.isFalse(first.includes(Buffer.from(key.secret)))
        assert.isTrue(TsigSeal.isSealed(first))
        assert.isFalse(first.equals(second))
      })
    )
  )

  it.effect("opens to nothing without its key, under another, or moved to another name", () =>
    withStore((store) =>
      Effect.gen(function* () {
        yield* over(store, sealKey).put(key)
        const secretWith = (by: typeof sealKey, name = key.name) =>
          Effect.map(over(store, by).find(name), (row) => row?.secret.length)
        assert.strictEqual(yield* secretWith(sealKey), 32)
        assert.strictEqual(yield* secretWith(Option.none()), 0)
        assert.strictEqual(yield* secretWith(otherKey), 0)
        const row = yield* store.find(key.name)
        if (row !== undefined) yield* store.put({ ...row, name: "mallory.mesh.test" })
        assert.strictEqual(yield* secretWith(sealKey, "mallory.mesh.test"), 0)
      })
    )
  )

  it.effect("stands beside secrets from before, which work on", () =>
    withStore((store) =>
      Effect.gen(function* () {
        yield* store.put(key)
        assert.deepStrictEqual(yield* over(store, sealKey).find(key.name), key)
      })
    )
  )

  it("shows any change of it", () => {
    const by = Option.getOrThrow(sealKey)
    const sealed = TsigSeal.seal(key.secret, key.name, by)
    for (let at = 8; at < sealed.length; at++) {
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.isTrue(Option.isNone(TsigSeal.unseal(changed, key.name, by)), `octet ${at}`)
    }
    assert.deepStrictEqual(
      Option.getOrThrow(TsigSeal.unseal(sealed, "Alice.Mesh.Test.", by)),
      key.secret
    )
  })

  it("needs a key of 64 hex digits", () => {
    assert.isTrue(Option.isSome(TsigSeal.parseKey("aF".repeat(32))))
    for (const text of ["", "aa".repeat(31), "aa".repeat(33), "zz".repeat(32)])
      assert.isTrue(Option.isNone(TsigSeal.parseKey(text)))
  })
})
