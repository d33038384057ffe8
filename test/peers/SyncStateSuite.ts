/** What every `SyncState` promises; run it against each layer that provides one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { SyncState, type StoredDeletion } from "../../src/peers/SyncState.ts"

const deletion = (seq: number, changes: Partial<StoredDeletion> = {}): StoredDeletion => ({
  owner: `owner-${seq}.example.org`,
  valueHash: "ab".repeat(32),
  dead: true,
  version: seq,
  at: seq,
  keepUntil: 10_000,
  seq,
  ...changes
})

export const suite = <E>(label: string, layer: () => Layer.Layer<SyncState, E>) =>
  describe(`SyncState (${label})`, () => {
    it.scoped("keeps one watermark per peer", () =>
      Effect.gen(function* () {
        const state = yield* SyncState
        const mark = { storedTs: 1, owner: "a", valueHash: "", deletionsSeen: 2 }
        yield* state.saveWatermark({ peer: "http://a", ...mark })
        yield* state.saveWatermark({ peer: "http://b", ...mark })
        yield* state.saveWatermark({ peer: "http://a", ...mark, storedTs: 9 })
        yield* state.forgetWatermark("http://b")
        assert.deepStrictEqual(yield* state.watermarks, [
          { peer: "http://a", ...mark, storedTs: 9 }
        ])
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("remembers which peers take signatures until told to forget", () =>
      Effect.gen(function* () {
        const state = yield* SyncState
        for (const peer of ["http://a", "http://b", "http://a"]) yield* state.saveSigningPeer(peer)
        assert.sameMembers([...(yield* state.signingPeers)], ["http://a", "http://b"])
        yield* state.forgetSigningPeer("http://a")
        yield* state.forgetSigningPeer("http://c")
        assert.deepStrictEqual(yield* state.signingPeers, ["http://b"])
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("keeps the last account of each value, in the order learned", () =>
      Effect.gen(function* () {
        const state = yield* SyncState
        yield* state.saveDeletions([deletion(1), deletion(2), deletion(3)])
        const revived = deletion(4, { owner: "owner-1.example.org", dead: false })
        yield* state.saveDeletions([revived])
        assert.deepStrictEqual(yield* state.deletions(0), [deletion(2), deletion(3), revived])
      }).pipe(Effect.provide(layer()))
    )

    it.scoped("forgets what is over, a bounded number at a time", () =>
      Effect.gen(function* () {
        const state = yield* SyncState
        yield* state.saveDeletions([
          deletion(1, { keepUntil: 5 }),
          deletion(2, { keepUntil: 5 }),
          deletion(3)
        ])
        assert.deepStrictEqual(yield* state.deletions(5), [deletion(3)])
        assert.strictEqual(yield* state.sweepDeletions(5, 1), 1)
        assert.strictEqual(yield* state.sweepDeletions(5, 9), 1)
        assert.strictEqual(yield* state.sweepDeletions(5, 9), 0)
      }).pipe(Effect.provide(layer()))
    )
  })
