/**
 * Which writer put which value into names that many write, so that none fills them alone.
 * Invariant: kept in memory only, and no longer than the value: nothing durable joins a writer
 * to what it left in a shared name.
 */
import type { Name } from "../wire/Name.ts"

export class Shares {
  readonly #writers = new Map<Name, Map<string, string>>()

  /** How many of `values` at `owner` are `writer`'s. */
  count(owner: Name, values: Iterable<string>, writer: string): number {
    const known = this.#writers.get(owner)
    if (known === undefined) return 0
    let count = 0
    for (const value of values) if (known.get(value) === writer) count++
    return count
  }

  /** A value stays with whom it came from first. */
  add(owner: Name, value: string, writer: string): void {
    const known = this.#writers.get(owner)
    if (known === undefined) this.#writers.set(owner, new Map([[value, writer]]))
    else if (!known.has(value)) known.set(value, writer)
  }

  remove(owner: Name, value: string): void {
    const known = this.#writers.get(owner)
    if (known?.delete(value) === true && known.size === 0) this.#writers.delete(owner)
  }

  /** Names with values whose writer is known. */
  get size(): number {
    return this.#writers.size
  }
}
