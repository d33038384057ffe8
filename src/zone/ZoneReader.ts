/**
 * Reads the live zone out of its memory, on any thread: nodes by name, and the values of each.
 * Invariant: a node exists exactly while it holds values or has names below it, so empty
 * non-terminals (RFC 8020) are nodes too. Makes no objects; whatever a writer does meanwhile,
 * every walk ends and nothing is read or written out of bounds.
 */
import type { HashedKey } from "../wire/KeyOctets.ts"
import { Arena, maskWord, type Ref, tableWord } from "./Arena.ts"

/** Words of a node; its key follows, zero up to a whole word. */
export const node = {
  /** The node one label up; of a place that is free, the next such. */
  parent: 0,
  /** Nodes one label below. */
  below: 1,
  /** Octets of the key, and values times 256; 0 where the place is free. */
  size: 2,
  /** The values, in order of last write. */
  first: 3,
  last: 4,
  key: 5
} as const

/** Words of a value; its RDATA follows, zero up to a whole word. */
export const value = {
  next: 0,
  previous: 1,
  /** Unix seconds, unsigned. */
  expiresAt: 2,
  /** Octets of the RDATA. */
  length: 3,
  nextEnding: 4,
  previousEnding: 5,
  node: 6,
  rdata: 7
} as const

export class ZoneReader {
  protected readonly arena: Arena

  /** Over a zone that another thread may change. */
  constructor(memory: SharedArrayBuffer)
  constructor(arena: Arena)
  constructor(over: Arena | SharedArrayBuffer) {
    this.arena = over instanceof Arena ? over : new Arena(over, false)
  }

  /** What other threads read the zone from. */
  get memory(): SharedArrayBuffer {
    return this.arena.memory
  }

  /** Where the hashes begin of names to look up here. */
  get hashStart(): number {
    return this.arena.hashStart
  }

  /** Begins a read of several steps. */
  begin(): number {
    return this.arena.begin()
  }

  /** True when what was read since `begin` gave `seen` is one state of the zone. */
  unchanged(seen: number): boolean {
    return this.arena.unchanged(seen)
  }

  /** The node of a name; 0 when there is none. */
  nodeOf(name: HashedKey): Ref {
    const { words } = this.arena
    const { hash } = name
    const table = (words[tableWord] ?? 0) * 2
    const mask = words[maskWord] ?? 0
    for (let slot = hash & mask, left = mask; left >= 0; left--, slot = (slot + 1) & mask) {
      const at = words[table + 2 * slot + 1] ?? 0
      if (at === 0) return 0
      if (words[table + 2 * slot] === hash && this.#is(at, name)) return at
    }
    return 0
  }

  /** Nodes one label below `at`. */
  below(at: Ref): number {
    return this.arena.words[at * 2 + node.below] ?? 0
  }

  /** How many values `at` holds, those whose life has just ended included. */
  count(at: Ref): number {
    return (this.arena.words[at * 2 + node.size] ?? 0) >>> 8
  }

  /** The value of `at` that was written longest ago; 0 when it holds none. */
  first(at: Ref): Ref {
    return this.arena.words[at * 2 + node.first] ?? 0
  }

  next(at: Ref): Ref {
    return this.arena.words[at * 2 + value.next] ?? 0
  }

  /** Unix seconds: live while it is later than now. */
  expiresAt(at: Ref): number {
    return (this.arena.words[at * 2 + value.expiresAt] ?? 0) >>> 0
  }

  /** Octets of the value as RDATA of a TXT record (RFC 1035 §3.3.14). */
  rdataLength(at: Ref): number {
    return (this.arena.words[at * 2 + value.length] ?? 0) >>> 0
  }

  /** Where that RDATA begins in `octets`. */
  rdataStart(at: Ref): number {
    return at * 8 + value.rdata * 4
  }

  get octets(): Buffer {
    return this.arena.octets
  }

  #is(at: Ref, name: HashedKey): boolean {
    const { words } = this.arena
    const { length } = name
    if (((words[at * 2 + node.size] ?? 0) & 255) !== length) return false
    const key = at * 2 + node.key
    const { words: asked } = name
    for (let i = 0; i * 4 < length; i++) if (words[key + i] !== asked[i]) return false
    return true
  }
}
