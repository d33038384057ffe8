/**
 * Tells who asks what has changed in the zone, after it is durable and answered.
 * Listeners run synchronously in order of subscription and must not throw or wait.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { ContentChange } from "./LiveZone.ts"
import type { RowChange } from "./RecordStore.ts"

export interface ZoneChange {
  /** `write`: somebody asked for it. `expiry`: lifetimes have run out; all changes are removals. */
  readonly cause: "write" | "expiry"
  readonly changes: ReadonlyArray<RowChange>
  /** The values that have come and gone; refreshes are not among them. */
  readonly content: ReadonlyArray<ContentChange>
}

export type Listener = (change: ZoneChange) => void

export class ChangeFeed extends Context.Tag("dnsmesh/zone/ChangeFeed")<
  ChangeFeed,
  {
    /** Calls `listener` for every change until the scope closes. */
    readonly subscribe: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>
    /** Only the publisher and the expiry of the answer index call this. */
    readonly unsafeEmit: (change: ZoneChange) => void
    /** Runs `settle` after every write was told, before its writer hears of it, until the scope closes. */
    readonly settleWith: (settle: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
    /** Ends when every `settle` has; nothing where there is none. Only the publisher waits for it. */
    readonly settling: () => Effect.Effect<void> | undefined
  }
>() {
  static readonly layer = Layer.sync(ChangeFeed, () => {
    const listeners = new Set<Listener>()
    const settling = new Set<Effect.Effect<void>>()
    return ChangeFeed.of({
      subscribe: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => void listeners.add(listener)),
          () => Effect.sync(() => void listeners.delete(listener))
        ),
      unsafeEmit: (change) => {
        for (const listener of listeners) listener(change)
      },
      settleWith: (settle) =>
        Effect.acquireRelease(
          Effect.sync(() => void settling.add(settle)),
          () => Effect.sync(() => void settling.delete(settle))
        ),
      settling: () =>
        settling.size === 0
          ? undefined
          : Effect.forEach(settling, (settle) => settle, { discard: true })
    })
  })
}
