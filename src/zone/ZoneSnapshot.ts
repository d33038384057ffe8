/**
 * The zone as it was at one moment, read in steps while it changes: a node that changes
 * before it was read leaves its earlier values here. Costs memory only for those: nodes are
 * read in the order of their places, so a place tells whether it was read.
 */
import type { WireKey } from "../wire/Name.ts"
import type { ZoneNode } from "./LiveZone.ts"
import type { NodeTable } from "./NodeTable.ts"

export interface SnapshotRrset {
  readonly key: WireKey
  /** The values, as octets; live or just over. */
  readonly values: ReadonlyArray<string>
}

export class ZoneSnapshot {
  readonly #nodes: NodeTable<ZoneNode>
  /** Places from here on have come since. */
  readonly #end: number
  /** Earlier values of nodes that have changed and were not read; none of those that are new. */
  readonly #kept = new Map<WireKey, ReadonlyArray<string>>()
  readonly #release: () => void
  #place = 0
  #leftovers: Iterator<readonly [WireKey, ReadonlyArray<string>]> | undefined

  constructor(nodes: NodeTable<ZoneNode>, release: () => void) {
    this.#nodes = nodes
    this.#end = nodes.places
    this.#release = release
  }

  /** Called by the zone before the values of `node`, which is at `place`, change. */
  keep(node: ZoneNode, place: number): void {
    if (place < this.#place || place >= this.#end || this.#kept.has(node.key)) return
    this.#kept.set(node.key, octetsOf(node))
  }

  /** The next RRset, in no particular order; `undefined` at the end. */
  next(): SnapshotRrset | undefined {
    while (this.#place < this.#end) {
      const node = this.#nodes.at(this.#place++)
      if (node === undefined) continue
      const { key } = node
      const values = this.#kept.get(key) ?? octetsOf(node)
      // What is at this place now has been read; where it goes from here is news.
      this.#kept.delete(key)
      if (values.length > 0) return { key, values }
    }
    this.#leftovers ??= this.#kept.entries()
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

const octetsOf = (node: ZoneNode): ReadonlyArray<string> => node.txts.map((txt) => txt.octets)
