/**
 * `RecordStore` with its commits packed: what is hosted on the store thread. Everything else is
 * the contract's, and `toStore` gives the contract itself.
 */
import { Context, Effect, Layer } from "effect"
import { RecordStore, type StoreError } from "../zone/RecordStore.ts"
import * as RecordChanges from "./RecordChanges.ts"

type Rows = Omit<RecordStore["Type"], "commit"> & {
  /** As `RecordStore.commit`, of what `RecordChanges.pack` makes of the changes. */
  readonly commit: (changes: RecordChanges.Packed) => Effect.Effect<void, StoreError>
}

export class RecordRows extends Context.Tag("dnsmesh/sql/RecordRows")<RecordRows, Rows>() {
  /** Packs on the side of whoever calls. */
  static readonly toStore: Layer.Layer<RecordStore, never, RecordRows> = Layer.effect(
    RecordStore,
    Effect.map(RecordRows, (rows) => ({
      ...rows,
      commit: (changes) => Effect.suspend(() => rows.commit(RecordChanges.pack(changes)))
    }))
  )
}
