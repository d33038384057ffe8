/** The requests whose answer is not out yet: what the gate counts and the end waits for. */
import type { ServerResponse } from "node:http"
import { Effect } from "effect"
import { type Place, Places } from "../runtime/Places.ts"

export class InFlight {
  readonly #responses = new Places<ServerResponse>()
  readonly #waiting = new Set<() => void>()
  readonly #report: (size: number) => void

  /** `report` hears every new number of them. */
  constructor(report: (size: number) => void = () => {}) {
    this.#report = report
  }

  get size(): number {
    return this.#responses.size
  }

  add(response: ServerResponse): Place<ServerResponse> {
    const place = this.#responses.take(response)
    this.#report(this.size)
    return place
  }

  /** Its answer is out, or nobody waits for it any more. Saying so twice is no harm. */
  settle(place: Place<ServerResponse>): void {
    if (!this.#responses.giveUp(place)) return
    this.#report(this.size)
    if (this.size > 0) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Succeeds when there is none. */
  readonly none: Effect.Effect<void> = Effect.async((resume) => {
    const wake = () => resume(Effect.void)
    if (this.size === 0) return wake()
    this.#waiting.add(wake)
    return Effect.sync(() => void this.#waiting.delete(wake))
  })
}
