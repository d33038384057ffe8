import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { StoredDeletion } from "../../src/peers/SyncState.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"

/** A disk whose deletions are saved by `save`. */
const diskWith = (
  save: (batch: ReadonlyArray<StoredDeletion>) => Effect.Effect<void, StoreError>
) =>
  Effect.map(Cluster.newDisk, (disk) => ({
    ...disk,
    state: { ...disk.state, saveDeletions: save }
  }))

describe("deletions", () => {
  it.scopedLive("are on the disk before whoever deleted hears that it is done", () =>
    Effect.gen(function* () {
      const saved: Array<string> = []
      const disk = yield* diskWith((batch) =>
        Effect.delay(
          Effect.sync(() => saved.push(...batch.map((one) => `${one.owner} ${one.valueHash}`))),
          "150 millis"
        )
      )
      const node = yield* Cluster.start({ disk, peers: Cluster.peersConfig() })
      yield* node.publish("x.example.org", "v=1")
      assert.isEmpty(saved)
      yield* node.withdraw("x.example.org", "v=1")
      assert.deepStrictEqual(saved, [`x.example.org ${valueHash("v=1")}`])
    })
  )

  it.scopedLive("stand although they could not be saved, and are saved when they can be", () =>
    Effect.gen(function* () {
      let full = true
      const saved: Array<string> = []
      const disk = yield* diskWith((batch) =>
        Effect.suspend(() =>
          full
            ? Effect.fail(new StoreError({ reason: "disk-full", message: "full" }))
            : Effect.sync(() => void saved.push(...batch.map(({ owner }) => owner)))
        )
      )
      const node = yield* Cluster.start({ disk, peers: Cluster.peersConfig() })
      yield* node.publish("x.example.org", "v=1")
      yield* node.withdraw("x.example.org", "v=1")
      assert.isEmpty(yield* node.values("x.example.org"))
      full = false
      yield* Cluster.eventually(Effect.sync(() => saved.join() === "x.example.org"))
    })
  )
})
