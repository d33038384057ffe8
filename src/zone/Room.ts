/**
 * Whether the memory of the zone holds what a group of writes adds to it, judged before any of it
 * is made durable. Invariant: what was let in fits, whichever places it takes and in whatever
 * order, so there are moments shortly before the end when something that would fit is refused.
 */
import { type Arena, maskWord, nodesWord, pageOctets } from "./Arena.ts"
import { rrBytes } from "./Limits.ts"
import { slotOctets, slotsFor } from "./NodeTable.ts"
import { nodesAbove } from "./NodeTree.ts"
import type { Pages } from "./Pages.ts"
import type { RowChange } from "./RecordStore.ts"
import { value } from "./ZoneReader.ts"

const pagesOf = (octets: number): number => Math.ceil(octets / pageOctets)

export class Room {
  readonly #arena: Arena
  readonly #pages: Pages
  /** What was let in: pages for one place each, pages in runs, and nodes. */
  #single = 0
  #inRuns = 0
  #nodes = 0

  constructor(arena: Arena, pages: Pages) {
    this.#arena = arena
    this.#pages = pages
  }

  /** Octets in use. */
  get octets(): number {
    return (this.#pages.top - this.#pages.free) * pageOctets
  }

  /** Octets there can be. */
  get limit(): number {
    return this.#arena.most * pageOctets
  }

  /** Lets in new values, or lets nothing in and yields false. */
  take(rows: ReadonlyArray<RowChange>): boolean {
    let single = this.#single
    let inRuns = this.#inRuns
    let nodes = this.#nodes
    for (const row of rows) {
      if (row._tag === "Remove") continue
      const made = nodesAbove(row.row.owner)
      nodes += made
      // A page for each, as if none lay in a page that is cut up already.
      single += made
      const pages = pagesOf(value.rdata * 4 + rrBytes(row.row.value))
      if (pages === 1) single++
      else inRuns += pages
    }
    const table = this.#table(nodes)
    if (!(table === 1 ? this.#fits(single + 1, inRuns) : this.#fits(single, inRuns + table)))
      return false
    this.#single = single
    this.#inRuns = inRuns
    this.#nodes = nodes
    return true
  }

  /** Pages of the table that so many more nodes need, if it is another than there is. */
  #table(nodes: number): number {
    const { words } = this.#arena
    const slots = (words[maskWord] ?? 0) + 1
    const needed = slotsFor((words[nodesWord] ?? 0) + nodes, slots)
    return needed === slots ? 0 : pagesOf(needed * slotOctets)
  }

  #fits(single: number, inRuns: number): boolean {
    const need = single + inRuns
    const pages = this.#pages
    const fits =
      need <= pages.longestFresh ||
      (inRuns === 0 && need <= pages.fresh + pages.free) ||
      pages.hasRunFor(need)
    return fits && pages.reach(need)
  }
}
