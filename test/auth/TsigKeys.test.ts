import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { keyFor } from "./TsigKeyStoreSuite.ts"

const zone = unsafeMake("mesh.test")
const mailbox = "0123456789ab"
const owner = keyFor("alice.mesh.test", { allowedSuffixes: [`mb-${mailbox}.mesh.test`] })

/** A store that counts what is asked of it, and fails while `broken`. */
const watched = (initial: ReadonlyArray<typeof owner>) => {
  const asked = { list: 0, find: 0 }
  const state = { broken: false }
  const layer = Layer.effect(
    TsigKeyStore,
    Effect.gen(function* () {
      const store = yield* TsigKeyStore
      for (const key of initial) yield* store.put(key)
      const guarded = <A>(effect: Effect.Effect<A, StoreError>) =>
        Effect.suspend(() =>
          state.broken ? Effect.fail(new StoreError({ reason: "io", message: "gone" })) : effect
        )
      return {
        ...store,
        revision: guarded(store.revision),
        list: guarded(
          Effect.zipRight(
            Effect.sync(() => asked.list++),
            store.list
          )
        ),
        find: (name) =>
          guarded(
            Effect.zipRight(
              Effect.sync(() => asked.find++),
              store.find(name)
            )
          )
      }
    })
  ).pipe(Layer.provide(TsigKeyStore.layerMemory))
  return { asked, state, layer: TsigKeys.layer.pipe(Layer.provideMerge(layer)) }
}

describe("the index of TSIG keys", () => {
  it.effect("reads the table once, and again only when it has changed", () => {
    const { asked, layer } = watched([owner])
    return Effect.gen(function* () {
      const keys = yield* TsigKeys
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(asked.list, 1)
      assert.isDefined(keys.find(owner.name, 0))
      yield* (yield* TsigKeyStore).put(keyFor("bob.mesh.test"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(asked.list, 2)
      assert.isDefined(keys.find("bob.mesh.test", 0))
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps its keys, and goes on reading, when the store fails", () => {
    const { layer, state } = watched([owner])
    return Effect.gen(function* () {
      const keys = yield* TsigKeys
      state.broken = true
      yield* TestClock.adjust("5 seconds")
      yield* keys.rereadIfDue("nobody.test")
      assert.isDefined(keys.find(owner.name, 0))
      state.broken = false
      yield* (yield* TsigKeyStore).revoke(owner.name)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(keys.find(owner.name, 0))
    }).pipe(Effect.provide(layer))
  })

  it.effect("leaves out keys that could never sign", () => {
    const { layer } = watched([
      owner,
      keyFor("md5.test", { algorithm: "hmac-md5" }),
      keyFor("a..b", {}),
      keyFor("empty.test", { secret: new Uint8Array(0) })
    ])
    return Effect.gen(function* () {
      const keys = yield* TsigKeys
      assert.strictEqual(keys.size(), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("asks the store for unknown keys, but not for every one of a flood", () => {
    const { asked, layer } = watched([])
    return Effect.gen(function* () {
      const keys = yield* TsigKeys
      for (let n = 0; n < 500; n++) yield* keys.rereadIfDue(`n${n}.test`)
      assert.isAtMost(asked.find, 40)
      yield* TestClock.adjust("1 second")
      yield* (yield* TsigKeyStore).put(owner)
      yield* keys.rereadIfDue("ALICE.mesh.test.")
      assert.isDefined(keys.find(owner.name, 0))
    }).pipe(Effect.provide(layer))
  })

  it.effect("knows a mailbox while some active key speaks for it", () => {
    const { layer } = watched([
      { ...owner, expiresAt: 10 },
      { ...owner, name: "second.mesh.test", expiresAt: 20 }
    ])
    return Effect.gen(function* () {
      const keys = yield* TsigKeys
      const known = (now: number) => keys.isRecipient(mailbox, zone, now)
      assert.deepStrictEqual([known(5), known(15), known(20)], [true, true, false])
      assert.isFalse(keys.isRecipient(mailbox, unsafeMake("other.test"), 5))
      yield* (yield* TsigKeyStore).revoke("second.mesh.test")
      yield* keys.reread("second.mesh.test")
      assert.deepStrictEqual([known(5), known(15)], [true, false])
    }).pipe(Effect.provide(layer))
  })
})
