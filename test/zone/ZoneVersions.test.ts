import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, TestClock } from "effect"
import { unsafeMake } from "../../src/wire/Name.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { RecordStore, StoreError } from "../../src/zone/RecordStore.ts"
import { ZoneVersions } from "../../src/zone/ZoneVersions.ts"
import { isLater, next } from "../../src/zone/Serial.ts"

const begin = 1_790_000_000

type Store = Context.Tag.Service<typeof RecordStore>

/** One life of a node over `store`. Ended by its scope, it has stopped in good order. */
const life = Effect.gen(function* () {
  const context = yield* Layer.build(ZoneVersions.layer.pipe(Layer.provideMerge(ChangeFeed.layer)))
  const versions = Context.get(context, ZoneVersions)
  const feed = Context.get(context, ChangeFeed)
  const live = new LiveZone(0)
  let count = 0
  const change = Effect.sync(() => {
    const row = {
      owner: unsafeMake(`n${count++}.mesh.test`),
      value: "v",
      ttl: 60,
      createdAt: 0,
      expiresAt: 4e9
    }
    const changes = [{ _tag: "Put", row } as const]
    feed.unsafeEmit({ cause: "write", changes, content: live.apply(changes) })
  })
  const close = versions.close((serial) => serial)
  return { versions, change, close, changed: Effect.zipRight(change, close) }
})

const inStore = <A, E, R>(store: Store, body: Effect.Effect<A, E, R>) =>
  Effect.provideService(body, RecordStore, store)

const memory = Effect.map(Layer.build(RecordStore.layerMemory), (context) =>
  Context.get(context, RecordStore)
)

const at = (seconds: number) => TestClock.setTime(seconds * 1000)

describe("ZoneVersions", () => {
  it.scoped("names a version by the second it closes in, and moves for content only", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* at(begin)
      const { change, close, versions } = yield* inStore(store, life)
      assert.strictEqual(versions.serial(), begin)
      assert.strictEqual(yield* close, begin)
      yield* change
      assert.strictEqual(versions.serial(), begin)
      yield* TestClock.adjust("5 seconds")
      assert.isAtLeast(versions.serial(), begin + 1)
      const serial = versions.serial()
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(versions.serial(), serial)
    })
  )

  it.scoped(
    "remembers what has changed since the first whole transfer, and nothing before it",
    () =>
      Effect.gen(function* () {
        const store = yield* memory
        yield* at(begin)
        const { change, changed, versions } = yield* inStore(store, life)
        const first = versions.serial()
        yield* change
        yield* TestClock.adjust("2 seconds")
        const second = versions.serial()
        assert.isTrue(isLater(second, first))
        assert.isUndefined(versions.since(first))
        const transferred = yield* changed
        yield* change
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(
          versions.since(transferred)?.map(({ added, from }) => [from, added.length]),
          [[transferred, 1]]
        )
        assert.isUndefined(versions.since(first))
      })
  )

  it.scoped("grows over restarts, kills and clocks set back, however fast versions close", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* at(begin)
      let highest = 0
      const grows = (serial: number) => {
        assert.isTrue(highest === 0 || isLater(serial, highest), `${serial} after ${highest}`)
        highest = serial
      }
      const living = (kill: boolean) =>
        Effect.scoped(
          Effect.gen(function* () {
            let alive = true
            const own = {
              ...store,
              markSerial: (serial: number) =>
                alive || !kill ? store.markSerial(serial) : Effect.void
            }
            const { changed, versions } = yield* inStore(own, life)
            grows(versions.serial())
            for (let i = 0; i < 100; i++) grows(yield* changed)
            alive = false
          })
        )
      yield* living(false)
      yield* living(true)
      yield* living(true)
      yield* at(begin - 300)
      yield* living(true)
      yield* living(false)
      yield* at(begin + 1000)
      yield* living(false)
      assert.isBelow(highest, begin + 1000 + 200)
    })
  )

  it.scoped("begins no more than one beyond where it ended in good order", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* at(begin)
      const last = yield* Effect.scoped(
        Effect.flatMap(inStore(store, life), ({ changed }) => changed)
      )
      const { versions } = yield* inStore(store, life)
      assert.strictEqual(versions.serial(), last + 1)
    })
  )

  it.scoped("goes on telling secondaries when the disk takes no marks", () =>
    Effect.gen(function* () {
      const store = yield* memory
      let full = false
      const failing: Store = {
        ...store,
        markSerial: (serial) =>
          full
            ? Effect.fail(new StoreError({ reason: "disk-full", message: "no room" }))
            : store.markSerial(serial)
      }
      yield* at(begin)
      const { changed } = yield* inStore(failing, life)
      full = true
      yield* at(begin + 100)
      assert.strictEqual(yield* changed, begin + 100)
    })
  )

  it("takes serials around 2^32 and clocks after 2038 for what they are", () => {
    assert.strictEqual(next(0xffff_ffff, 5), 5)
    assert.strictEqual(next(0xffff_ffff, 0xffff_fffe), 0)
    assert.strictEqual(next(2_200_000_000, 2_200_000_007), 2_200_000_007)
    assert.isFalse(isLater(7, 7))
  })
})
