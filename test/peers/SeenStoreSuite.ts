/** What every `SeenStore` promises; run it against each layer that provides one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { type SeenRow, SeenStore } from "../../src/peers/SeenStore.ts"

export const row = (endpoint: string, changes: Partial<SeenRow> = {}): SeenRow => ({
  operatorSpkHex: "ab".repeat(32),
  endpoint,
  wire: `v=dmp1;t=heartbeat;${endpoint}`,
  ts: 100,
  exp: 1000,
  version: "0.7.5",
  receivedAt: 100,
  source: "example.org",
  ...changes
})

export const suite = <E>(label: string, layer: () => Layer.Layer<SeenStore, E>) =>
  describe(`SeenStore (${label})`, () => {
    it.scoped("keeps the newest of each key and endpoint, and lists the newest first", () =>
      Effect.gen(function* () {
        const store = yield* SeenStore
        yield* store.put([row("https://a"), row("https://b", { ts: 200 })])
        yield* store.put([row("https://a", { ts: 300, wire: "newer" })])
        yield* store.put([row("https://a", { ts: 299, wire: "older" })])
        assert.deepStrictEqual(
          (yield* store.recent(0, 10)).map(({ endpoint, wire }) => [endpoint, wire]),
          [
            ["https://a", "newer"],
            ["https://b", "v=dmp1;t=heartbeat;https://b"]
          ]
        )
        assert.lengthOf(yield* store.recent(0, 1), 1)
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("does not show what has ended, and forgets what it is told to", () =>
      Effect.gen(function* () {
        const store = yield* SeenStore
        yield* store.put([row("https://a", { exp: 500 }), row("https://b"), row("https://c")])
        yield* store.forget("ab".repeat(32), "https://c")
        assert.deepStrictEqual(
          (yield* store.recent(500, 10)).map(({ endpoint }) => endpoint),
          ["https://b"]
        )
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("keeps one pin for each zone and key until it is taken away", () =>
      Effect.gen(function* () {
        const store = yield* SeenStore
        const pin = (operatorSpkHex: string, lastSeen: number, pinned = true) => ({
          zone: "example.org",
          operatorSpkHex,
          firstSeen: 1,
          lastSeen,
          pinned
        })
        yield* store.putPins([pin("aa", 2), pin("bb", 3, false)])
        yield* store.putPins([pin("aa", 9), { ...pin("aa", 4), zone: "example.net" }])
        yield* store.removePins([pin("bb", 0), pin("cc", 0)])
        yield* store.removePins([])
        assert.sameDeepMembers(
          [...(yield* store.pins)],
          [pin("aa", 9), { ...pin("aa", 4), zone: "example.net" }]
        )
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("sweeps ended rows, then hearsay, the longest unheard first", () =>
      Effect.gen(function* () {
        const store = yield* SeenStore
        yield* store.put([
          row("https://over", { exp: 10 }),
          row("https://hearsay-old", { source: "seen:x.org", receivedAt: 1 }),
          row("https://hearsay-new", { source: "seen:x.org", receivedAt: 2 }),
          row("https://own", { receivedAt: 0 })
        ])
        assert.strictEqual(yield* store.sweep(10, 2), 2)
        assert.sameMembers(
          (yield* store.recent(0, 10)).map(({ endpoint }) => endpoint),
          ["https://hearsay-new", "https://own"]
        )
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("keeps one seed list for each URL, until it is told to forget it", () =>
      Effect.gen(function* () {
        const store = yield* SeenStore
        const list = {
          url: "https://seeds.example.net/a",
          text: "a.example\nb.example",
          fetchedAt: 5
        }
        yield* store.saveSeedList(list)
        yield* store.saveSeedList({ ...list, url: "https://seeds.example.net/b" })
        yield* store.saveSeedList({ ...list, text: "c.example", fetchedAt: 9 })
        yield* store.forgetSeedList("https://seeds.example.net/b")
        assert.deepStrictEqual(yield* store.seedLists, [
          { ...list, text: "c.example", fetchedAt: 9 }
        ])
      }).pipe(Effect.provide(layer()))
    )
  })
