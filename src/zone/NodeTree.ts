/**
 * Makes the nodes of the live zone and takes them away. Invariant: above every node stand the
 * nodes of all names above it, each of which counts those one label below.
 */
import { KeyOctets } from "../wire/KeyOctets.ts"
import { unsafeWireKey, type WireKey } from "../wire/Name.ts"
import type { Arena, Ref } from "./Arena.ts"
import { NodeTable } from "./NodeTable.ts"
import type { RowChange } from "./RecordStore.ts"
import { nodes, type Slabs } from "./Slabs.ts"
import { node, ZoneReader } from "./ZoneReader.ts"

/** The most labels of a name, and the root (RFC 1035 §2.3.4). */
const mostNodes = 128

/** Nodes that a value at `owner` may need: its own and all above it. */
export const nodesAbove = (owner: string): number => {
  let nodes = 2
  for (let at = owner.indexOf("."); at !== -1; at = owner.indexOf(".", at + 1)) nodes++
  return nodes
}

export class NodeTree {
  readonly #arena: Arena
  readonly #slabs: Slabs
  readonly #table: NodeTable
  readonly #reader: ZoneReader
  readonly #key: KeyOctets

  constructor(arena: Arena, slabs: Slabs) {
    this.#arena = arena
    this.#slabs = slabs
    this.#table = new NodeTable(arena, slabs)
    this.#reader = new ZoneReader(arena)
    this.#key = new KeyOctets(arena.hashStart)
  }

  /** For an arena that has no nodes yet. */
  create(): void {
    this.#table.create()
  }

  /** Room for the nodes that come with `changes`, so that readers need not wait for it. */
  makeRoom(changes: ReadonlyArray<RowChange>): void {
    this.#table.makeRoom(changes.length * mostNodes, () => this.#missing(changes))
  }

  /** A new node at `key`, which is moved up, and those above it that are missing. */
  grow(key: KeyOctets): Ref {
    const grown = this.#make(key)
    for (let child = grown; key.up();) {
      const held = this.#reader.nodeOf(key)
      const parent = held || this.#make(key)
      const { words } = this.#arena
      words[child * 2 + node.parent] = parent
      words[parent * 2 + node.below] = this.#reader.below(parent) + 1
      if (held !== 0) break
      child = parent
    }
    return grown
  }

  /** Takes a node away if nothing needs it any more, and those above it that only it needed. */
  prune(at: Ref): void {
    const reader = this.#reader
    for (let child = at; child !== 0 && reader.count(child) === 0 && reader.below(child) === 0;) {
      const parent = this.#word(child * 2 + node.parent)
      this.#key.setKey(this.keyOf(child))
      this.#table.delete(this.#key.hash, child)
      const { words } = this.#arena
      words[child * 2 + node.size] = 0
      this.#slabs.give(child)
      if (parent !== 0) words[parent * 2 + node.below] = reader.below(parent) - 1
      child = parent
    }
  }

  /** The first node at the place `from` or behind it and below the page `end`; 0 for none. */
  nodeFrom(from: Ref, end = this.#slabs.pages.top): Ref {
    let at = this.#slabs.nodeAt(from, end)
    // A place that is free has no key.
    while (at !== 0 && this.#word(at * 2 + node.size) === 0) at = this.#slabs.nodeAt(at + 1, end)
    return at
  }

  keyOf(at: Ref): WireKey {
    const start = at * 8 + node.key * 4
    const length = this.#word(at * 2 + node.size) & 255
    return unsafeWireKey(this.#arena.octets.toString("latin1", start, start + length))
  }

  /** Never more than `Room` has counted. */
  #missing(changes: ReadonlyArray<RowChange>): number {
    const fresh = new Set<string>()
    for (const change of changes)
      if (
        change._tag === "Put" &&
        this.#key.setName(change.row.owner) &&
        this.#reader.nodeOf(this.#key) === 0
      )
        fresh.add(change.row.owner)
    let nodes = 0
    for (const owner of fresh) nodes += nodesAbove(owner)
    return nodes
  }

  #make(key: KeyOctets): Ref {
    const { hash, length, words: octets } = key
    const fresh = this.#slabs.take(node.key * 4 + length, nodes)
    const { words } = this.#arena
    words.fill(0, fresh * 2, fresh * 2 + node.key)
    words[fresh * 2 + node.size] = length
    for (let i = 0; i * 4 < length; i++) words[fresh * 2 + node.key + i] = octets[i] ?? 0
    this.#table.add(hash, fresh)
    return fresh
  }

  #word(at: number): number {
    return this.#arena.words[at] ?? 0
  }
}
