/**
 * What is held under each wire key, found from the octets of a question without making a string.
 * A `Map` goes through half a dozen distant places of memory for one key; here it is the hash's
 * own slot and the node. Invariant: from a node's home slot to its own no slot is empty.
 */
import type { WireKey } from "../wire/Name.ts"
import { hashOf } from "../wire/NameHash.ts"
import type { QuestionName } from "../wire/QuestionName.ts"

const least = 64

export class NodeTable<N extends { readonly key: WireKey }> {
  /** Pairs: the hash, and the place in `#nodes` plus one; 0 stands for an empty slot. */
  #slots = new Int32Array(2 * least)
  #mask = least - 1
  /** With holes where nodes have gone; these are filled before it grows. */
  readonly #nodes: Array<N | undefined> = []
  readonly #holes: Array<number> = []

  get size(): number {
    return this.#nodes.length - this.#holes.length
  }

  /** What is held under the name a query asks for. */
  find(name: QuestionName): N | undefined {
    const { hash } = name
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const place = slots[2 * slot + 1] ?? 0
      if (place === 0) return undefined
      if (slots[2 * slot] !== hash) continue
      const node = this.#nodes[place - 1]
      if (node !== undefined && name.is(node.key)) return node
    }
  }

  get(key: WireKey): N | undefined {
    const place = this.#slots[2 * this.#slotOf(key, hashOf(key)) + 1] ?? 0
    return place === 0 ? undefined : this.#nodes[place - 1]
  }

  /** Places that are or were in use; a node stays at its own, and a new one may fill a hole. */
  get places(): number {
    return this.#nodes.length
  }

  /** What is held at a place. */
  at(place: number): N | undefined {
    return this.#nodes[place]
  }

  /** Where `key` is held; -1 when it is not. */
  placeOf(key: WireKey): number {
    return (this.#slots[2 * this.#slotOf(key, hashOf(key)) + 1] ?? 0) - 1
  }

  /** Holds `node`; another under the same key makes way. */
  set(node: N): void {
    const hash = hashOf(node.key)
    const slot = this.#slotOf(node.key, hash)
    const held = this.#slots[2 * slot + 1] ?? 0
    if (held > 0) {
      this.#nodes[held - 1] = node
      return
    }
    const place = this.#holes.pop() ?? this.#nodes.length
    this.#nodes[place] = node
    this.#slots[2 * slot] = hash
    this.#slots[2 * slot + 1] = place + 1
    // Two thirds full: a search looks at two slots, all in one line of the cache.
    if (this.size * 3 > (this.#mask + 1) * 2) this.#grow()
  }

  delete(key: WireKey): void {
    const slots = this.#slots
    let empty = this.#slotOf(key, hashOf(key))
    const place = slots[2 * empty + 1] ?? 0
    if (place === 0) return
    this.#nodes[place - 1] = undefined
    this.#holes.push(place - 1)
    // Those behind it that its slot parts from their home move up (Knuth, TAOCP 3 §6.4 R).
    for (let slot = empty; ;) {
      slot = (slot + 1) & this.#mask
      const next = slots[2 * slot + 1] ?? 0
      if (next === 0) break
      const hash = slots[2 * slot] ?? 0
      if (((slot - hash) & this.#mask) < ((slot - empty) & this.#mask)) continue
      slots[2 * empty] = hash
      slots[2 * empty + 1] = next
      empty = slot
    }
    slots[2 * empty + 1] = 0
  }

  /**
   * Every node, while nodes come and go: one that stays is given once, one that comes meanwhile
   * may be left out.
   */
  *values(): IterableIterator<N> {
    for (let place = 0; place < this.#nodes.length; place++) {
      const node = this.#nodes[place]
      if (node !== undefined) yield node
    }
  }

  /** The slot of `key`, or the empty one where it would go. */
  #slotOf(key: WireKey, hash: number): number {
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const place = slots[2 * slot + 1] ?? 0
      if (place === 0 || (slots[2 * slot] === hash && this.#nodes[place - 1]?.key === key))
        return slot
    }
  }

  #grow(): void {
    const before = this.#slots
    const slots = new Int32Array(2 * before.length)
    const mask = before.length - 1
    for (let from = 0; from < before.length; from += 2) {
      const hash = before[from] ?? 0
      const place = before[from + 1] ?? 0
      if (place === 0) continue
      let slot = hash & mask
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask
      slots[2 * slot] = hash
      slots[2 * slot + 1] = place
    }
    this.#slots = slots
    this.#mask = mask
  }
}
