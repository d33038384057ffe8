/**
 * `RecordStore` as it is hosted on the store thread: with its commits packed, and with what has to
 * be done before the first of them. Everything else is the contract's.
 */
import { Context, Effect, Layer } from "effect"
import { RecordStore, type StoreError } from "../zone/RecordStore.ts"
import type { OpenError } from "./OpenError.ts"
import * as RecordChanges from "./RecordChanges.ts"

type Rows = Omit<RecordStore["Type"], "commit"> & {
  /** As `RecordStore.commit`, of what `RecordChanges.pack` makes of the changes. */
  readonly commit: (changes: RecordChanges.Packed) => Effect.Effect<void, StoreError>
  /**
   * The file, if it was opened without having been looked through for damage: then nothing may be
   * written before that was done, and `settle` after it.
   */
  readonly unchecked: Effect.Effect<string | undefined, StoreError>
  /** Looks the file through where it is open, which holds up whatever else is asked. */
  readonly check: Effect.Effect<void, StoreError | OpenError>
  /** What opening a checked file has done already. */
  readonly settle: Effect.Effect<void, StoreError | OpenError>
}

export class RecordRows extends Context.Tag("dnsmesh/sql/RecordRows")<RecordRows, Rows>() {
  /** Packs on the side of whoever calls. */
  static readonly packing = (rows: Rows): RecordStore["Type"] => ({
    ...rows,
    commit: (changes) => Effect.suspend(() => rows.commit(RecordChanges.pack(changes)))
  })

  static readonly toStore: Layer.Layer<RecordStore, never, RecordRows> = Layer.effect(
    RecordStore,
    Effect.map(RecordRows, RecordRows.packing)
  )
}
