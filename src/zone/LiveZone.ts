/**
 * The live TXT RRsets in memory: what a query is answered from, and the one who changes it.
 * Invariant: one thread at a time changes a zone; what `apply` is given comes about at once for
 * whoever reads the same memory (`ZoneReader`, the layout is in `Arena`).
 */
import { KeyOctets } from "../wire/KeyOctets.ts"
import { type Name, toWireKey, type WireKey } from "../wire/Name.ts"
import { textAt, TxtOctets } from "../wire/TxtOctets.ts"
import { Arena, pageRefs, type Ref, valuesWord } from "./Arena.ts"
import { Endings } from "./Endings.ts"
import { NodeTree } from "./NodeTree.ts"
import type { RowChange } from "./RecordStore.ts"
import { Room } from "./Room.ts"
import { Slabs } from "./Slabs.ts"
import { node, value, ZoneReader } from "./ZoneReader.ts"
import { ZoneSnapshot } from "./ZoneSnapshot.ts"

/** One value. `octets` holds the UTF-8 bytes, one char each; live while `expiresAt > now` (s). */
export interface Txt {
  readonly octets: string
  readonly expiresAt: number
}

/** A value that has come into the zone or left it; refreshes are no such change. */
export interface ContentChange {
  readonly kind: "added" | "removed"
  readonly key: WireKey
  readonly octets: string
}

export interface ZoneNode {
  readonly key: WireKey
  /** In order of last write; may hold values whose life has just ended. */
  readonly txts: ReadonlyArray<Txt>
  /** Nodes one label below this one. */
  readonly below: number
}

// Text that is all ASCII is its own octets; only databases of old releases hold anything else.
const beyondAscii = /[^\x00-\x7f]/
export const toOctets = (value: string): string =>
  beyondAscii.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value
export const toText = (octets: string): string =>
  beyondAscii.test(octets) ? Buffer.from(octets, "latin1").toString("utf8") : octets

/** The last second that is told from others. */
const lastSecond = 0xffff_ffff

export class LiveZone extends ZoneReader {
  readonly #slabs: Slabs
  readonly #tree: NodeTree
  readonly #endings: Endings
  readonly #snapshots = new Set<ZoneSnapshot>()
  readonly #key: KeyOctets
  readonly #txt = new TxtOctets()

  /**
   * `now` in Unix seconds: nothing that ended before it is expected to be put. Over `memory`, it
   * changes the zone another has begun there, in that one's stead; a new one takes at most
   * `limit` octets.
   */
  constructor(now: number, memory?: SharedArrayBuffer, limit?: number) {
    super(new Arena(memory, true, limit))
    this.#slabs = new Slabs(this.arena)
    this.#tree = new NodeTree(this.arena, this.#slabs)
    this.#endings = new Endings(this.arena)
    this.#key = new KeyOctets(this.hashStart)
    if (memory !== undefined) return
    this.#tree.create()
    this.#endings.swept = now
  }

  /** Takes the zone back from another who has changed it. */
  refresh(): void {
    this.arena.refresh()
  }

  /** The node at `key`: an RRset, an empty non-terminal, or nothing. */
  find(key: WireKey): ZoneNode | undefined {
    this.#key.setKey(key)
    const at = this.nodeOf(this.#key)
    return at === 0 ? undefined : this.#toNode(at)
  }

  /** The values live at `owner`, as text, with the second each ends. */
  live(owner: Name, now: number): ReadonlyArray<{ value: string; expiresAt: number }> {
    const live: Array<{ value: string; expiresAt: number }> = []
    const at = this.#key.setName(owner) ? this.nodeOf(this.#key) : 0
    for (let txt = at === 0 ? 0 : this.first(at); txt !== 0; txt = this.next(txt)) {
      const expiresAt = this.expiresAt(txt)
      if (expiresAt > now) live.push({ value: toText(this.#octetsOf(txt)), expiresAt })
    }
    return live
  }

  /** Values held. Those whose life ended count until `expire` has seen them. */
  get valueCount(): number {
    return this.#word(valuesWord)
  }

  /**
   * The values as they are now, to be read piece by piece while the zone goes on changing.
   * Must be closed.
   */
  snapshot(): ZoneSnapshot {
    const end = this.#slabs.pages.top
    const snapshot = new ZoneSnapshot(
      end * pageRefs,
      (from) => this.#tree.nodeFrom(from, end),
      (at) => this.#rrsetAt(at),
      () => this.#snapshots.delete(snapshot)
    )
    this.#snapshots.add(snapshot)
    return snapshot
  }

  /**
   * Every node as it is when its turn comes, while the zone goes on changing: one that stays is
   * given once, one that comes meanwhile may be left out.
   */
  *nodes(): IterableIterator<ZoneNode> {
    for (let at = this.#tree.nodeFrom(0); at !== 0; at = this.#tree.nodeFrom(at + 1))
      yield this.#toNode(at)
  }

  /** As `nodes`, of the values that begin so, in ASCII of at most one string. */
  *beginning(prefix: string): IterableIterator<string> {
    const octets = Buffer.from(prefix)
    for (let at = this.#tree.nodeFrom(0); at !== 0; at = this.#tree.nodeFrom(at + 1))
      for (let txt = this.first(at); txt !== 0; txt = this.next(txt)) {
        if (this.rdataLength(txt) <= octets.length) continue
        const start = this.rdataStart(txt) + 1
        const end = start + octets.length
        if (this.octets.compare(octets, 0, octets.length, start, end) === 0)
          yield this.#octetsOf(txt)
      }
  }

  /** As `nodes`, with the name of each. */
  *entries(): IterableIterator<readonly [WireKey, ZoneNode]> {
    for (const held of this.nodes()) yield [held.key, held]
  }

  /** How much of the memory is in use, and whether more fits: what is let in there may be applied. */
  room(): Room {
    return new Room(this.arena, this.#slabs.pages)
  }

  /** Yields what has really come or gone. */
  apply(changes: ReadonlyArray<RowChange>): ReadonlyArray<ContentChange> {
    const content: Array<ContentChange> = []
    this.#tree.makeRoom(changes)
    this.arena.lock()
    try {
      for (const change of changes) {
        const put = change._tag === "Put"
        const { owner, value: text } = put ? change.row : change
        if (!this.#key.setName(owner)) continue
        this.#txt.set(text)
        const changed = put ? this.#put(change.row.expiresAt) : this.#remove()
        if (!changed) continue
        const kind = put ? "added" : "removed"
        content.push({ kind, key: toWireKey(owner), octets: toOctets(text) })
      }
    } finally {
      this.arena.unlock()
    }
    return content
  }

  /** Drops what has ended by `now` (s); yields it. */
  expire(now: number): ReadonlyArray<ContentChange> {
    const ended: Array<ContentChange> = []
    this.#endings.sweep(now, (txt) => {
      if (ended.length === 0) this.arena.lock()
      const at = this.#word(txt * 2 + value.node)
      ended.push({ kind: "removed", key: this.#tree.keyOf(at), octets: this.#octetsOf(txt) })
      this.#drop(at, txt)
    })
    if (ended.length > 0) this.arena.unlock()
    return ended
  }

  /**
   * Puts a row of the store, the last written of its name; nothing where no query can ask for
   * the name. For a zone that nobody reads yet.
   */
  load(owner: string, text: string, expiresAt: number): void {
    if (!this.#key.setName(owner)) return
    this.#txt.set(text)
    this.#put(expiresAt)
  }

  /** Puts the value at hand at the name at hand; yields whether it is new. */
  #put(expiresAt: number): boolean {
    const second = Math.max(0, Math.min(lastSecond, Math.floor(expiresAt)))
    const at = this.nodeOf(this.#key) || this.#tree.grow(this.#key)
    const held = this.#held(at)
    if (held !== 0) {
      this.#endings.delete(held)
      this.arena.words[held * 2 + value.expiresAt] = second
      this.#endings.add(held, second)
      if (this.#word(held * 2 + value.next) !== 0) {
        this.#unlink(at, held)
        this.#append(at, held)
      }
      return false
    }
    this.#willChange(at)
    const { length, words: rdata } = this.#txt
    const fresh = this.#slabs.take(value.rdata * 4 + length)
    const { words } = this.arena
    const base = fresh * 2
    words[base + value.expiresAt] = second
    words[base + value.length] = length
    words[base + value.node] = at
    for (let i = 0; i * 4 < length; i++) words[base + value.rdata + i] = rdata[i] ?? 0
    this.#endings.add(fresh, second)
    this.#append(at, fresh)
    words[valuesWord] = this.valueCount + 1
    return true
  }

  #remove(): boolean {
    const at = this.nodeOf(this.#key)
    const held = at === 0 ? 0 : this.#held(at)
    if (held === 0) return false
    this.#drop(at, held)
    return true
  }

  #drop(at: Ref, txt: Ref): void {
    this.#willChange(at)
    this.#endings.delete(txt)
    this.#unlink(at, txt)
    this.#slabs.give(txt)
    this.arena.words[valuesWord] = this.valueCount - 1
    this.#tree.prune(at)
  }

  /** The value at hand, where `at` holds it. */
  #held(at: Ref): Ref {
    const { length, words: rdata } = this.#txt
    const { words } = this.arena
    candidates: for (let txt = this.first(at); txt !== 0; txt = this.next(txt)) {
      if (this.rdataLength(txt) !== length) continue
      const base = txt * 2 + value.rdata
      for (let i = 0; i * 4 < length; i++) if (words[base + i] !== rdata[i]) continue candidates
      return txt
    }
    return 0
  }

  #append(at: Ref, txt: Ref): void {
    const { words } = this.arena
    const last = this.#word(at * 2 + node.last)
    words[txt * 2 + value.next] = 0
    words[txt * 2 + value.previous] = last
    words[last === 0 ? at * 2 + node.first : last * 2 + value.next] = txt
    words[at * 2 + node.last] = txt
    words[at * 2 + node.size] = this.#word(at * 2 + node.size) + 256
  }

  #unlink(at: Ref, txt: Ref): void {
    const { words } = this.arena
    const next = this.#word(txt * 2 + value.next)
    const previous = this.#word(txt * 2 + value.previous)
    words[previous === 0 ? at * 2 + node.first : previous * 2 + value.next] = next
    words[next === 0 ? at * 2 + node.last : next * 2 + value.previous] = previous
    words[at * 2 + node.size] = this.#word(at * 2 + node.size) - 256
  }

  #willChange(at: Ref): void {
    for (const snapshot of this.#snapshots) snapshot.keep(at)
  }

  #toNode(at: Ref): ZoneNode {
    const txts: Array<Txt> = []
    for (let txt = this.first(at); txt !== 0; txt = this.next(txt))
      txts.push({ octets: this.#octetsOf(txt), expiresAt: this.expiresAt(txt) })
    return { key: this.#tree.keyOf(at), txts, below: this.below(at) }
  }

  #rrsetAt(at: Ref) {
    const values: Array<string> = []
    for (let txt = this.first(at); txt !== 0; txt = this.next(txt)) values.push(this.#octetsOf(txt))
    return { key: this.#tree.keyOf(at), values }
  }

  #octetsOf(txt: Ref): string {
    return textAt(this.octets, this.rdataStart(txt), this.rdataLength(txt))
  }

  #word(at: number): number {
    return this.arena.words[at] ?? 0
  }
}
