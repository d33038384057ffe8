/**
 * The durable TXT records of the zone: rows, no rules. Only `zone/Publisher` and
 * `zone/Cleanup` write them, and `zone/ZoneVersions` its mark. `layerMemory` is the reference; every adapter passes
 * `test/zone/RecordStoreSuite.ts`. Arguments and results are plain data, so that an
 * adapter may live on another thread.
 */
import { Context, type Effect, type Exit, Layer, Schema, type Stream } from "effect"
import type { Name } from "../wire/Name.ts"
import * as MemoryRecordStore from "./MemoryRecordStore.ts"
import type { StoredTxt } from "./TxtRecord.ts"

/** Why the store could not do what it was asked; what it held before, it still holds. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  reason: Schema.Literal(
    "disk-full",
    "io",
    "locked",
    "read-only",
    "corrupt",
    "checking",
    "closed",
    "other"
  ),
  message: Schema.String
}) {}

export type RowChange =
  | { readonly _tag: "Put"; readonly row: StoredTxt }
  | { readonly _tag: "Remove"; readonly owner: Name; readonly value: string }

/** What the zone needs of a row: a tuple crosses threads in a fifth of an object's time. */
export type LiveRow = readonly [owner: Name, value: string, expiresAt: number]

/**
 * Position in the sync order: stored_ts in ms, owner, lower-case hex SHA-256 of the value. Many
 * rows share a stored_ts; the three together name one row.
 */
export interface DigestCursor {
  readonly storedTs: number
  readonly owner: string
  readonly valueHash: string
}

export interface DigestRow extends DigestCursor {
  readonly expiresAt: number
}

export interface StoreUsage {
  readonly databaseBytes: number
  readonly walBytes: number
  /** Rows whose lifetime is over but which no sweep has removed yet. */
  readonly expiredRows: number
}

export class RecordStore extends Context.Tag("dnsmesh/zone/RecordStore")<
  RecordStore,
  {
    /**
     * Applies all changes in order, as one transaction, durable when it succeeds.
     * All its `Put`s get one `stored_ts`, above that of every earlier commit: max(last + 1,
     * now in ms). So a reader at a cursor misses none, and a burst does not run ahead of the clock.
     */
    readonly commit: (changes: ReadonlyArray<RowChange>) => Effect.Effect<void, StoreError>
    /**
     * As `commit`, where the store can do without a fiber; `told`, which must not throw, is told
     * once how it ended.
     */
    readonly submit?: (
      changes: ReadonlyArray<RowChange>,
      told: (exit: Exit.Exit<void, StoreError>) => void
    ) => void
    /** Every row live at `now` (s), in batches, in the order of the commits that wrote them. */
    readonly live: (now: number) => Stream.Stream<ReadonlyArray<LiveRow>, StoreError>
    /**
     * Loads every row live at `now` (s) into the live zone of that memory, in the order of the
     * commits that wrote them. Nobody else changes that zone meanwhile.
     */
    readonly fill: (memory: SharedArrayBuffer, now: number) => Effect.Effect<void, StoreError>
    /** Removes at most `limit` rows that are over at `now` (s); yields how many went. */
    readonly sweep: (now: number, limit: number) => Effect.Effect<number, StoreError>
    /** Live rows strictly after `after`, in cursor order (UTF-8 byte order within a tie). */
    readonly digest: (
      after: DigestCursor,
      limit: number,
      now: number
    ) => Effect.Effect<ReadonlyArray<DigestRow>, StoreError>
    /** Every live row at the given owners. */
    readonly rowsAt: (
      owners: ReadonlyArray<Name>,
      now: number
    ) => Effect.Effect<ReadonlyArray<StoredTxt>, StoreError>
    /** The highest `stored_ts` that counts: the next commit's is above it. */
    readonly newest: Effect.Effect<number, StoreError>
    /**
     * Gives the `stored_ts` `to` (ms) to at most `limit` rows with a later one, the earliest of
     * them first; yields how many. When there is none any more `newest` is at most `to`.
     */
    readonly restamp: (to: number, limit: number) => Effect.Effect<number, StoreError>
    /** The serial that was marked last; nothing before the first. */
    readonly serialMark: Effect.Effect<number | undefined, StoreError>
    /** Durable when it succeeds. */
    readonly markSerial: (serial: number) => Effect.Effect<void, StoreError>
    /** Succeeds when a write would become durable now; changes nothing. */
    readonly probe: Effect.Effect<void, StoreError>
    readonly usage: (now: number) => Effect.Effect<StoreUsage, StoreError>
  }
>() {
  /** Each build of it is a store of its own, empty, gone with the process. */
  static readonly layerMemory: Layer.Layer<RecordStore> = Layer.sync(
    RecordStore,
    MemoryRecordStore.make
  )
}
