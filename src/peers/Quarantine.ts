/**
 * Rows of one peer that were not taken over, so that they count as handled and nothing behind
 * them waits. Those that may be fit later are due again; all are forgotten with their life.
 */

export interface Held {
  readonly name: string
  readonly hash: string
  readonly reason: string
  /** When to ask for it again, ms; Infinity when it will never do. */
  readonly retryAt: number
  /** When its life is over, ms. */
  readonly until: number
  readonly attempts: number
}

const firstDelay = 30_000
const longestDelay = 3_600_000

export class Quarantine {
  readonly #rows = new Map<string, Held>()
  readonly #capacity: number

  constructor(capacity = 20_000) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#rows.size
  }

  has(name: string, hash: string): boolean {
    return this.#rows.has(`${name} ${hash}`)
  }

  /** `lifeLeft` and `now` in ms. A row seen before waits twice as long. */
  hold(
    row: { readonly name: string; readonly hash: string },
    reason: string,
    retry: boolean,
    lifeLeft: number,
    now: number
  ): void {
    const key = `${row.name} ${row.hash}`
    const attempts = (this.#rows.get(key)?.attempts ?? 0) + 1
    this.#rows.delete(key)
    if (this.#rows.size >= this.#capacity) {
      const oldest = this.#rows.keys().next()
      if (!oldest.done) this.#rows.delete(oldest.value)
    }
    this.#rows.set(key, {
      name: row.name,
      hash: row.hash,
      reason,
      retryAt: retry ? now + Math.min(longestDelay, firstDelay * 2 ** (attempts - 1)) : Infinity,
      until: now + lifeLeft,
      attempts
    })
  }

  release(name: string, hash: string): void {
    this.#rows.delete(`${name} ${hash}`)
  }

  /** At most `limit` rows to ask for again at `now` (ms); those that are over are forgotten. */
  due(now: number, limit: number): ReadonlyArray<Held> {
    const due: Array<Held> = []
    for (const [key, row] of this.#rows) {
      if (row.until <= now) this.#rows.delete(key)
      else if (row.retryAt <= now && due.length < limit) due.push(row)
    }
    return due
  }

  /** How many rows are held, by reason. */
  reasons(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { reason } of this.#rows.values()) counts[reason] = (counts[reason] ?? 0) + 1
    return counts
  }
}
