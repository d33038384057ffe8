/**
 * How a door ends: no new connections, and what is in flight finishes within the budget.
 * Whatever is left then is cut by the release of the sockets.
 */
import { Duration, Effect } from "effect"
import type { InFlight } from "./InFlight.ts"
import type { Listening } from "./Listen.ts"

/** `seconds` for all requests together. */
export const drained = (
  listeners: ReadonlyArray<Listening>,
  inFlight: InFlight,
  seconds: number
): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const { server } of listeners) {
      server.close()
      server.closeIdleConnections()
    }
  }).pipe(
    Effect.zipRight(inFlight.none),
    Effect.interruptible,
    Effect.timeoutOption(Duration.seconds(seconds)),
    Effect.asVoid
  )
