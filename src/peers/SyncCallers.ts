/** Who has come through the sync door and by what, so that a token nobody uses can be taken away. */
import { Effect } from "effect"
import * as SyncMetrics from "./SyncMetrics.ts"

export interface Caller {
  /** A node's id, a name from the settings, or `any` for a token all share. */
  readonly peer: string
  /** `signature`, `token`, or the rank of the token among several: `token-2`. */
  readonly by: string
}

interface Seen extends Caller {
  readonly requests: number
  /** Unix seconds. */
  readonly last: number
}

export class SyncCallers {
  readonly #seen = new Map<string, Seen>()

  /** Counts one; says so the first time. `caller` comes from settings or manifest, so few they stay. */
  note(caller: Caller, address: string, now: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const key = `${caller.peer} ${caller.by}`
      const before = this.#seen.get(key)
      this.#seen.set(key, { ...caller, requests: (before?.requests ?? 0) + 1, last: now })
      const counted = SyncMetrics.entered(caller.peer, caller.by)
      return before === undefined
        ? Effect.zipRight(
            Effect.logInfo(`sync: ${caller.peer} came in by ${caller.by} from ${address}`),
            counted
          )
        : counted
    })
  }

  all(): ReadonlyArray<Seen> {
    return [...this.#seen.values()]
  }
}
