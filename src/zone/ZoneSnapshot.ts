/**
 * The zone as it was at one moment, read in steps while it changes: a node that changes
 * before it was read leaves its earlier values here. Costs memory only for those.
 */
import type { WireKey } from "../wire/Name.ts"
import type { ZoneNode } from "./LiveZone.ts"

export interface SnapshotRrset {
  readonly key: WireKey
  /** The values, as octets; live or just over. */
  readonly values: ReadonlyArray<string>
}

export class ZoneSnapshot {
  readonly #nodes: Iterator<readonly [WireKey, ZoneNode]>
  /** Earlier values of nodes that changed; stays as long as the snapshot, as a mark too. */
  readonly #kept = new Map<WireKey, ReadonlyArray<string>>()
  readonly #read = new Set<WireKey>()
  readonly #release: () => void
  #leftovers: Iterator<readonly [WireKey, ReadonlyArray<string>]> | undefined

  constructor(nodes: Iterator<readonly [WireKey, ZoneNode]>, release: () => void) {
    this.#nodes = nodes
    this.#release = release
  }

  /** Called by the zone before the values of `key` change. */
  keep(key: WireKey, node: ZoneNode): void {
    if (this.#kept.has(key)) return
    this.#kept.set(
      key,
      node.txts.map((txt) => txt.octets)
    )
  }

  /** The next RRset, in no particular order; `undefined` at the end. */
  next(): SnapshotRrset | undefined {
    while (this.#leftovers === undefined) {
      const step = this.#nodes.next()
      if (step.done === true) {
        this.#leftovers = this.#kept.entries()
        break
      }
      const [key, node] = step.value
      if (this.#read.has(key)) continue
      this.#read.add(key)
      const values = this.#kept.get(key) ?? node.txts.map((txt) => txt.octets)
      if (values.length > 0) return { key, values }
    }
    for (;;) {
      const step = this.#leftovers.next()
      if (step.done === true) return undefined
      const [key, values] = step.value
      if (this.#read.has(key)) continue
      this.#read.add(key)
      if (values.length > 0) return { key, values }
    }
  }

  close(): void {
    this.#release()
  }
}
