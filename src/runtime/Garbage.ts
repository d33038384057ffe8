/**
 * A full collection on request. What has been loaded and read by the time a node begins to serve
 * leaves ten megabytes of garbage and a nursery at its largest; collected at once, that memory
 * goes back to the system instead of staying reserved for as long as the node is quiet.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect } from "effect"

/** Holds the event loop for some 15 ms: only for before serving. */
export const collect: Effect.Effect<void> = Effect.sync(() => {
  // A context made while the flag is set carries the collector; nobody else gets to see it.
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  // An ordinary collection keeps the nursery at the size it has grown to.
  if (typeof gc === "function") gc({ type: "major", execution: "sync", flavor: "last-resort" })
})
