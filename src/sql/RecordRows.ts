/**
 * `RecordStore` as it is hosted on the store thread: with its commits packed, and with what has to
 * be done before the first of them. Everything else is the contract's.
 */
import { Clock, Context, Effect, type Exit, Layer } from "effect"
import { RecordStore, type StoreError } from "../zone/RecordStore.ts"
import type { OpenError } from "./OpenError.ts"
import * as RecordChanges from "./RecordChanges.ts"

type Rows = Omit<RecordStore["Type"], "commit" | "submit"> & {
  /** As `RecordStore.commit`, of what `RecordChanges.pack` makes of the changes. */
  readonly submit: (
    changes: RecordChanges.Packed,
    told: (exit: Exit.Exit<void, StoreError>) => void
  ) => void
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
  static readonly packing = (rows: Rows): Effect.Effect<RecordStore["Type"]> =>
    Effect.map(Effect.clock, (clock) => ({
      ...rows,
      commit: (changes) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.async((resume) => rows.submit(RecordChanges.pack(changes, now), resume))
        ),
      submit: (changes, told) =>
        rows.submit(RecordChanges.pack(changes, clock.unsafeCurrentTimeMillis()), told)
    }))

  static readonly toStore: Layer.Layer<RecordStore, never, RecordRows> = Layer.effect(
    RecordStore,
    Effect.flatMap(RecordRows, RecordRows.packing)
  )
}
