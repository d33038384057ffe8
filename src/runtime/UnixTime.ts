/** Time as records and signatures count it: whole seconds since 1970, by the clock in force. */
import { Clock, Effect } from "effect"

const toSeconds = (millis: number): number => Math.floor(millis / 1000)

export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, toSeconds)

/** For synchronous code that has the clock. */
export const unsafeNow = (clock: Clock.Clock): number => toSeconds(clock.unsafeCurrentTimeMillis())
