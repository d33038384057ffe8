/**
 * What replication must remember across restarts: how far each peer has been read, which of
 * them take signatures, and which values were deleted. Rows, no rules; plain data, so that an adapter may live on the store
 * thread. `layerMemory` is the reference; adapters pass `test/peers/SyncStateSuite.ts`.
 */
import { Context, Effect, Layer } from "effect"
import type { DigestCursor, StoreError } from "../zone/RecordStore.ts"

export interface Watermark extends DigestCursor {
  /** The peer's base URL in its one spelling. */
  readonly peer: string
  /** Sequence number of the last deletion taken from the peer. */
  readonly deletionsSeen: number
}

/** What became of a value that was deleted at least once. */
export interface StoredDeletion {
  readonly owner: string
  /** Lower-case hex SHA-256 of the value. */
  readonly valueHash: string
  /** False once it was published again. */
  readonly dead: boolean
  /** Decides between two accounts of one value: the higher is the later. */
  readonly version: number
  /** When that happened, by this node's clock, ms. */
  readonly at: number
  /** Until when this must be remembered, ms. */
  readonly keepUntil: number
  /** Position in the order in which this node learned of deletions. */
  readonly seq: number
}

export class SyncState extends Context.Tag("dnsmesh/peers/SyncState")<
  SyncState,
  {
    readonly watermarks: Effect.Effect<ReadonlyArray<Watermark>, StoreError>
    readonly saveWatermark: (watermark: Watermark) => Effect.Effect<void, StoreError>
    readonly forgetWatermark: (peer: string) => Effect.Effect<void, StoreError>
    /** URLs of the peers that have answered a signed request. */
    readonly signingPeers: Effect.Effect<ReadonlyArray<string>, StoreError>
    readonly saveSigningPeer: (peer: string) => Effect.Effect<void, StoreError>
    readonly forgetSigningPeer: (peer: string) => Effect.Effect<void, StoreError>
    /** Every deletion to be remembered at `now` (ms), in order of `seq`. */
    readonly deletions: (now: number) => Effect.Effect<ReadonlyArray<StoredDeletion>, StoreError>
    /** Keeps one deletion per owner and hash; all or none. */
    readonly saveDeletions: (
      deletions: ReadonlyArray<StoredDeletion>
    ) => Effect.Effect<void, StoreError>
    /** Removes at most `limit` deletions that are over at `now` (ms); yields how many went. */
    readonly sweepDeletions: (now: number, limit: number) => Effect.Effect<number, StoreError>
  }
>() {
  static readonly layerMemory = Layer.sync(SyncState, () => {
    const watermarks = new Map<string, Watermark>()
    const signing = new Set<string>()
    const deletions = new Map<string, StoredDeletion>()
    const keyOf = (deletion: StoredDeletion) => `${deletion.owner} ${deletion.valueHash}`
    return SyncState.of({
      watermarks: Effect.sync(() => [...watermarks.values()]),
      saveWatermark: (watermark) =>
        Effect.sync(() => void watermarks.set(watermark.peer, watermark)),
      forgetWatermark: (peer) => Effect.sync(() => void watermarks.delete(peer)),
      signingPeers: Effect.sync(() => [...signing]),
      saveSigningPeer: (peer) => Effect.sync(() => void signing.add(peer)),
      forgetSigningPeer: (peer) => Effect.sync(() => void signing.delete(peer)),
      deletions: (now) =>
        Effect.sync(() =>
          [...deletions.values()]
            .filter(({ keepUntil }) => keepUntil > now)
            .sort((a, b) => a.seq - b.seq)
        ),
      saveDeletions: (batch) =>
        Effect.sync(() => batch.forEach((deletion) => deletions.set(keyOf(deletion), deletion))),
      sweepDeletions: (now, limit) =>
        Effect.sync(() => {
          const over = [...deletions].filter(([, { keepUntil }]) => keepUntil <= now)
          for (const [key] of over.slice(0, limit)) deletions.delete(key)
          return Math.min(limit, over.length)
        })
    })
  })
}
