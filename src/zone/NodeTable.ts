/**
 * The nodes of the live zone by the hash of their names: the writer's side, `ZoneReader` finds.
 * Invariant: from a node's home slot to its own no slot is empty. A table that is to grow is
 * made anew beside the old one, which readers use until the last moment.
 */
import { type Arena, maskWord, nodesWord, type Ref, tableWord } from "./Arena.ts"
import type { Slabs } from "./Slabs.ts"

const least = 64

// Two thirds full: a search looks at two slots, all in one line of the cache.
const isCrowded = (size: number, slots: number): boolean => size * 3 > slots * 2

export const slotOctets = 8

/** Slots of a table for so many nodes, where there are `slots` already. */
export const slotsFor = (nodes: number, slots: number): number => {
  let needed = slots
  while (isCrowded(nodes, needed)) needed *= 2
  return needed
}

export class NodeTable {
  readonly #arena: Arena
  readonly #slabs: Slabs

  constructor(arena: Arena, slabs: Slabs) {
    this.#arena = arena
    this.#slabs = slabs
  }

  /** For an arena that has no table yet. */
  create(): void {
    this.#switch(this.#made(least), least)
  }

  /**
   * Room for the nodes that come, so that the table need not grow while readers wait: at most
   * `most` of them, and so many as `count` says where that makes a difference.
   */
  makeRoom(most: number, count: () => number): void {
    const held = this.#word(maskWord) + 1
    if (!isCrowded(this.size + most, held)) return
    const slots = slotsFor(this.size + count(), held)
    if (slots === held) return
    const fresh = this.#made(slots)
    this.#arena.lock()
    this.#switch(fresh, slots)
    this.#arena.unlock()
  }

  get size(): number {
    return this.#word(nodesWord)
  }

  /** Adds a node that is not held. */
  add(hash: number, node: Ref): void {
    const { words } = this.#arena
    const table = this.#table
    const mask = this.#word(maskWord)
    let slot = hash & mask
    while (this.#word(table + 2 * slot + 1) !== 0) slot = (slot + 1) & mask
    words[table + 2 * slot] = hash
    words[table + 2 * slot + 1] = node
    const size = this.size + 1
    words[nodesWord] = size
    if (isCrowded(size, mask + 1)) this.#switch(this.#made((mask + 1) * 2), (mask + 1) * 2)
  }

  delete(hash: number, node: Ref): void {
    const { words } = this.#arena
    const table = this.#table
    const mask = this.#word(maskWord)
    let empty = hash & mask
    while (this.#word(table + 2 * empty + 1) !== node) empty = (empty + 1) & mask
    // Those behind it that its slot parts from their home move up (Knuth, TAOCP 3 §6.4 R).
    for (let slot = empty; ;) {
      slot = (slot + 1) & mask
      const next = this.#word(table + 2 * slot + 1)
      if (next === 0) break
      const home = this.#word(table + 2 * slot)
      if (((slot - home) & mask) < ((slot - empty) & mask)) continue
      words[table + 2 * empty] = home
      words[table + 2 * empty + 1] = next
      empty = slot
    }
    words[table + 2 * empty + 1] = 0
    words[nodesWord] = this.size - 1
  }

  /** A table of so many slots with all that is held. */
  #made(slots: number): Ref {
    const fresh = this.#slabs.take(slots * slotOctets)
    const { words } = this.#arena
    const to = fresh * 2
    const mask = slots - 1
    words.fill(0, to, to + slots * 2)
    const from = this.#table
    const end = from === 0 ? 0 : from + 2 * (this.#word(maskWord) + 1)
    for (let at = from; at < end; at += 2) {
      const node = words[at + 1] ?? 0
      if (node === 0) continue
      const hash = words[at] ?? 0
      let slot = hash & mask
      while (words[to + 2 * slot + 1] !== 0) slot = (slot + 1) & mask
      words[to + 2 * slot] = hash
      words[to + 2 * slot + 1] = node
    }
    return fresh
  }

  #switch(fresh: Ref, slots: number): void {
    const { words } = this.#arena
    const old = this.#word(tableWord)
    words[tableWord] = fresh
    words[maskWord] = slots - 1
    if (old !== 0) this.#slabs.give(old)
  }

  get #table(): number {
    return this.#word(tableWord) * 2
  }

  #word(at: number): number {
    return this.#arena.words[at] ?? 0
  }
}
