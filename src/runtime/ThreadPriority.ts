/**
 * Which thread of the node goes first when they share a processor. On the event loop a query
 * waits for its answer, so the threads beside it stand back: with equal rights the kernel gives
 * each some milliseconds in turn (bench/stall.ts).
 */
import { constants, getPriority, setPriority } from "node:os"

/** Steps of niceness behind the event loop. `behind` is a sixth of its share, `last` what is left. */
const steps = { behind: 10, last: 19 } as const

/** Lets the calling thread stand back; only where a priority belongs to a thread, as on Linux. */
export const standBack = (to: keyof typeof steps): void => {
  if (process.platform === "linux")
    setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + steps[to]))
}
