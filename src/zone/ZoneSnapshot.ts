/**
 * The zone as it was at one moment, read in steps while it changes: a node that changes
 * before it was read leaves its earlier values here. Costs memory only for those: nodes are
 * read in the order of their places, so a place tells whether it was read.
 */
import type { WireKey } from "../wire/Name.ts"
import type { Ref } from "./Arena.ts"

export interface SnapshotRrset {
  readonly key: WireKey
  /** The values, as octets; live or just over. */
  readonly values: ReadonlyArray<string>
}

export class ZoneSnapshot {
  /** Places from here on have come since. */
  readonly #end: Ref
  /** The node at a place or the next behind it; 0 when there is none before the end. */
  readonly #nodeFrom: (from: Ref) => Ref
  readonly #rrsetAt: (at: Ref) => SnapshotRrset
  /** Earlier values of nodes that have changed and were not read; none of those that are new. */
  readonly #kept = new Map<WireKey, ReadonlyArray<string>>()
  readonly #release: () => void
  /** Places before it were read. */
  #from: Ref = 0
  #leftovers: Iterator<readonly [WireKey, ReadonlyArray<string>]> | undefined

  constructor(
    end: Ref,
    nodeFrom: (from: Ref) => Ref,
    rrsetAt: (at: Ref) => SnapshotRrset,
    release: () => void
  ) {
    this.#end = end
    this.#nodeFrom = nodeFrom
    this.#rrsetAt = rrsetAt
    this.#release = release
  }

  /** Called by the zone before the values of the node at `at` change. */
  keep(at: Ref): void {
    if (at < this.#from || at >= this.#end) return
    const { key, values } = this.#rrsetAt(at)
    if (!this.#kept.has(key)) this.#kept.set(key, values)
  }

  /** The next RRset, in no particular order; `undefined` at the end. */
  next(): SnapshotRrset | undefined {
    while (this.#leftovers === undefined) {
      const at = this.#nodeFrom(this.#from)
      if (at === 0) {
        this.#from = this.#end
        this.#leftovers = this.#kept.entries()
      } else {
        this.#from = at + 1
        const rrset = this.#rrsetAt(at)
        if (this.#kept.size === 0) {
          if (rrset.values.length > 0) return rrset
          continue
        }
        const values = this.#kept.get(rrset.key) ?? rrset.values
        // What is at this place now has been read; where it goes from here is news.
        this.#kept.delete(rrset.key)
        if (values.length > 0) return { key: rrset.key, values }
      }
    }
    for (;;) {
      const step = this.#leftovers.next()
      if (step.done === true) return undefined
      const [key, values] = step.value
      if (values.length > 0) return { key, values }
    }
  }

  close(): void {
    this.#release()
  }
}
