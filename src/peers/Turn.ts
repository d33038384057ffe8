/** Lets sockets and timers have the event loop between slices of long synchronous work. */
import { Effect } from "effect"

/** Completes in a later macrotask; `Effect.yieldNow` would stay within this one. */
export const turn: Effect.Effect<void> = Effect.async((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})
