/**
 * The live TXT RRsets in memory, as a plain data structure: what a query is answered
 * from. Invariant: a node exists exactly while it holds values or has names below it,
 * so empty non-terminals (RFC 8020) are nodes too.
 */
import { parentKey, toWireKey, type Name, type WireKey } from "../wire/Name.ts"
import type { QuestionName } from "../wire/QuestionName.ts"
import { NodeTable } from "./NodeTable.ts"
import type { RowChange } from "./RecordStore.ts"
import { ZoneSnapshot } from "./ZoneSnapshot.ts"

/** One value. `octets` holds the UTF-8 bytes, one char each; live while `expiresAt > now` (s). */
export interface Txt {
  readonly octets: string
  expiresAt: number
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
  txts: ReadonlyArray<Txt>
  /** Nodes one label below this one. */
  below: number
}

// Text that is all ASCII is its own octets; only databases of old releases hold anything else.
const beyondAscii = /[^\x00-\x7f]/
export const toOctets = (value: string): string =>
  beyondAscii.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value
export const toText = (octets: string): string =>
  beyondAscii.test(octets) ? Buffer.from(octets, "latin1").toString("utf8") : octets

// One empty list for all. Lists are replaced, never grown: an array that grows by one reserves
// room for sixteen more, which a million names would pay for.
const none: ReadonlyArray<Txt> = []

export class LiveZone {
  readonly #nodes = new NodeTable<ZoneNode>()
  /** Keys to look at once the second has come; a refreshed value leaves a stale entry behind. */
  readonly #endings = new Map<number, Array<WireKey>>()
  readonly #snapshots = new Set<ZoneSnapshot>()
  #values = 0
  #swept: number

  /** `now` in Unix seconds: nothing that ended before it is expected to be put. */
  constructor(now: number) {
    this.#swept = now
  }

  /** The node at `key`: an RRset, an empty non-terminal, or nothing. */
  find(key: WireKey): ZoneNode | undefined {
    return this.#nodes.get(key)
  }

  /** As `find`, for the name a query asks for. */
  answering(name: QuestionName): ZoneNode | undefined {
    return this.#nodes.find(name)
  }

  /** The values live at `owner`, as text, with the second each ends. */
  live(owner: Name, now: number): ReadonlyArray<{ value: string; expiresAt: number }> {
    const node = this.#nodes.get(toWireKey(owner))
    if (node === undefined) return []
    return node.txts
      .filter((txt) => txt.expiresAt > now)
      .map((txt) => ({ value: toText(txt.octets), expiresAt: txt.expiresAt }))
  }

  /** Values held. Those whose life ended count until `expire` has seen them. */
  get valueCount(): number {
    return this.#values
  }

  /**
   * The values as they are now, to be read piece by piece while the zone goes on changing.
   * Must be closed.
   */
  snapshot(): ZoneSnapshot {
    const snapshot = new ZoneSnapshot(this.#nodes, () => this.#snapshots.delete(snapshot))
    this.#snapshots.add(snapshot)
    return snapshot
  }

  /** Every node as it is when its turn comes, while the zone goes on changing. */
  nodes(): IterableIterator<ZoneNode> {
    return this.#nodes.values()
  }

  /** As `nodes`, with the name of each. */
  *entries(): IterableIterator<readonly [WireKey, ZoneNode]> {
    for (const node of this.#nodes.values()) yield [node.key, node]
  }

  /** Yields what has really come or gone. */
  apply(changes: ReadonlyArray<RowChange>): ReadonlyArray<ContentChange> {
    const content: Array<ContentChange> = []
    for (const change of changes) {
      const put = change._tag === "Put"
      const key = toWireKey(put ? change.row.owner : change.owner)
      const octets = toOctets(put ? change.row.value : change.value)
      const changed = put ? this.hold(key, octets, change.row.expiresAt) : this.#remove(key, octets)
      if (changed) content.push({ kind: put ? "added" : "removed", key, octets })
    }
    return content
  }

  /** Drops what has ended by `now` (s); yields it. */
  expire(now: number): ReadonlyArray<ContentChange> {
    const ended: Array<ContentChange> = []
    // After a long pause or a clock step it is cheaper to visit the buckets that exist.
    const due =
      now - this.#swept > this.#endings.size
        ? [...this.#endings.keys()].filter((second) => second <= now)
        : Array.from({ length: Math.max(0, now - this.#swept) }, (_, i) => this.#swept + 1 + i)
    for (const second of due) {
      const keys = this.#endings.get(second)
      if (keys === undefined) continue
      this.#endings.delete(second)
      for (const key of keys) {
        const over = this.#nodes.get(key)?.txts.filter((txt) => txt.expiresAt <= now) ?? []
        for (const { octets } of over) {
          this.#remove(key, octets)
          ended.push({ kind: "removed", key, octets })
        }
      }
    }
    this.#swept = Math.max(this.#swept, now)
    return ended
  }

  /** Puts one value, the last written of its name; yields whether it is new. */
  hold(key: WireKey, octets: string, expiresAt: number): boolean {
    this.#willEnd(expiresAt, key)
    const node = this.#nodes.get(key) ?? this.#grow(key, 0)
    const held = node.txts.find((txt) => txt.octets === octets)
    if (held !== undefined) {
      held.expiresAt = expiresAt
      if (node.txts.at(-1) !== held) node.txts = [...node.txts.filter((txt) => txt !== held), held]
      return false
    }
    this.#willChange(node)
    const txt = { octets, expiresAt }
    node.txts = node.txts.length === 0 ? [txt] : [...node.txts, txt]
    this.#values++
    return true
  }

  #remove(key: WireKey, octets: string): boolean {
    const node = this.#nodes.get(key)
    if (node === undefined || !node.txts.some((txt) => txt.octets === octets)) return false
    this.#willChange(node)
    node.txts = node.txts.length === 1 ? none : node.txts.filter((txt) => txt.octets !== octets)
    this.#values--
    this.#prune(key, node)
    return true
  }

  #willChange(node: ZoneNode): void {
    if (this.#snapshots.size === 0) return
    const place = this.#nodes.placeOf(node.key)
    for (const snapshot of this.#snapshots) snapshot.keep(node, place)
  }

  /** A new node, and those above it that are missing. */
  #grow(key: WireKey, below: number): ZoneNode {
    const node: ZoneNode = { key, txts: none, below }
    this.#nodes.set(node)
    const above = parentKey(key)
    if (above.length === 0) return node
    const parent = this.#nodes.get(above)
    if (parent === undefined) this.#grow(above, 1)
    else parent.below++
    return node
  }

  /** Takes a node away that nothing needs any more, and those above it that only it needed. */
  #prune(key: WireKey, node: ZoneNode): void {
    if (node.txts.length > 0 || node.below > 0) return
    this.#nodes.delete(key)
    const above = parentKey(key)
    const parent = this.#nodes.get(above)
    if (parent === undefined) return
    parent.below--
    this.#prune(above, parent)
  }

  #willEnd(second: number, key: WireKey): void {
    // A second already visited would never be looked at again.
    const bucket = Math.max(second, this.#swept + 1)
    const keys = this.#endings.get(bucket)
    if (keys === undefined) this.#endings.set(bucket, [key])
    else keys.push(key)
  }
}
