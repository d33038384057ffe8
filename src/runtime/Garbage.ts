/**
 * What V8 is told about garbage beyond its own judgement.
 *
 * A full collection on request: what a thread has loaded and read by the time it has nothing more
 * to begin leaves megabytes of garbage and a nursery at its largest; collected at once, that memory
 * goes back to the system instead of staying reserved for as long as the node is quiet.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect } from "effect"

/** Flags are the process's: another thread that does this at the same moment may get in between. */
const collector = (): unknown => {
  // A context made while the flag is set carries the collector; nobody else gets to see it.
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("globalThis.gc")
  setFlagsFromString("--no-expose-gc")
  return gc
}

/** Holds this thread for tens of milliseconds: once, when it has begun all that it is for. */
export const collect: Effect.Effect<void> = Effect.sync(() => {
  const gc = collector() ?? collector()
  // An ordinary collection keeps the nursery at the size it has grown to.
  if (typeof gc === "function") gc({ type: "major", execution: "sync", flavor: "last-resort" })
})

/** Per cent by which a heap may grow between collections while somebody is thrifty. */
const growth = 30
let thrifty = 0

/**
 * Runs `work` with heaps that are collected before they have grown by much, in all threads. Much
 * passes through a node that copies another: V8 would let its heap grow to several times what
 * stays of it. Costs a fifth of the copying's speed.
 */
export const thriftily = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      if (thrifty++ === 0) setFlagsFromString(`--heap-growing-percent=${growth}`)
    }),
    () => work,
    () =>
      Effect.sync(() => {
        // 0 leaves it to V8 again.
        if (--thrifty === 0) setFlagsFromString("--heap-growing-percent=0")
      })
  )
