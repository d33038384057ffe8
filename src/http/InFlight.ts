/** The requests whose answer is not out yet: what the gate counts and the end waits for. */
import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { Effect } from "effect"
import * as HttpMetrics from "./HttpMetrics.ts"

export class InFlight {
  readonly #responses = new Set<ServerResponse>()
  readonly #waiting = new Set<() => void>()

  get size(): number {
    return this.#responses.size
  }

  add(response: ServerResponse): void {
    this.#responses.add(response)
    HttpMetrics.inFlight.unsafeUpdate(this.size, [])
  }

  /** Its answer is out, or nobody waits for it any more. Saying so twice is no harm. */
  settle(response: ServerResponse): void {
    this.#responses.delete(response)
    HttpMetrics.inFlight.unsafeUpdate(this.size, [])
    if (this.size > 0) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Answers not out yet that `socket` waits for. */
  pendingOn(socket: Duplex): ReadonlyArray<ServerResponse> {
    return [...this.#responses].filter(({ req }) => req.socket === socket)
  }

  /** Succeeds when there is none. */
  readonly none: Effect.Effect<void> = Effect.async((resume) => {
    const wake = () => resume(Effect.void)
    if (this.size === 0) return wake()
    this.#waiting.add(wake)
    return Effect.sync(() => void this.#waiting.delete(wake))
  })
}
