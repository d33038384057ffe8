/**
 * The live TXT RRsets in memory, as a plain data structure: what a query is answered
 * from. Invariant: a node exists exactly while it holds values or has names below it,
 * so empty non-terminals (RFC 8020) are nodes too.
 */
import { parentKey, toWireKey, type Name, type WireKey } from "../wire/Name.ts"
import type { RowChange } from "./RecordStore.ts"

/** One value. `octets` holds the UTF-8 bytes, one char each; live while `expiresAt > now` (s). */
export interface Txt {
  readonly octets: string
  expiresAt: number
}

export interface ZoneNode {
  /** In order of last write; may hold values whose life has just ended. */
  txts: Array<Txt>
  /** Owner names that hold values strictly below this one. */
  below: number
}

// Text that is all ASCII is its own octets; only databases of old releases hold anything else.
const ascii = /^[\x00-\x7f]*$/
export const toOctets = (value: string): string =>
  ascii.test(value) ? value : Buffer.from(value, "utf8").toString("latin1")
const toText = (octets: string): string =>
  ascii.test(octets) ? octets : Buffer.from(octets, "latin1").toString("utf8")

export class LiveZone {
  readonly #nodes = new Map<WireKey, ZoneNode>()
  /** Keys to look at once the second has come; a refreshed value leaves a stale entry behind. */
  readonly #endings = new Map<number, Array<WireKey>>()
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

  /** Every owner name that holds a value, in no particular order. */
  *owners(): IterableIterator<readonly [WireKey, ZoneNode]> {
    for (const entry of this.#nodes) if (entry[1].txts.length > 0) yield entry
  }

  apply(changes: ReadonlyArray<RowChange>): void {
    for (const change of changes)
      if (change._tag === "Put")
        this.#put(toWireKey(change.row.owner), toOctets(change.row.value), change.row.expiresAt)
      else this.#remove(toWireKey(change.owner), toOctets(change.value))
  }

  /** Drops what has ended by `now` (s); yields it. */
  expire(now: number): ReadonlyArray<{ readonly key: WireKey; readonly value: string }> {
    const ended: Array<{ key: WireKey; value: string }> = []
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
        const node = this.#nodes.get(key)
        if (node === undefined) continue
        const over = node.txts.filter((txt) => txt.expiresAt <= now)
        for (const txt of over) {
          this.#remove(key, txt.octets)
          ended.push({ key, value: toText(txt.octets) })
        }
      }
    }
    this.#swept = Math.max(this.#swept, now)
    return ended
  }

  #put(key: WireKey, octets: string, expiresAt: number): void {
    let node = this.#nodes.get(key)
    if (node === undefined) {
      node = { txts: [], below: 0 }
      this.#nodes.set(key, node)
    }
    const at = node.txts.findIndex((txt) => txt.octets === octets)
    if (at >= 0) {
      const [txt] = node.txts.splice(at, 1)
      if (txt !== undefined) {
        txt.expiresAt = expiresAt
        node.txts.push(txt)
      }
    } else {
      node.txts.push({ octets, expiresAt })
      this.#values++
      if (node.txts.length === 1) this.#countBelow(key, 1)
    }
    this.#willEnd(expiresAt, key)
  }

  #remove(key: WireKey, octets: string): void {
    const node = this.#nodes.get(key)
    const at = node === undefined ? -1 : node.txts.findIndex((txt) => txt.octets === octets)
    if (node === undefined || at < 0) return
    node.txts.splice(at, 1)
    this.#values--
    if (node.txts.length > 0) return
    this.#countBelow(key, -1)
    if (node.below === 0) this.#nodes.delete(key)
  }

  #countBelow(key: WireKey, by: 1 | -1): void {
    for (let at = parentKey(key); at.length > 0; at = parentKey(at)) {
      const node = this.#nodes.get(at)
      if (node === undefined) this.#nodes.set(at, { txts: [], below: 1 })
      else {
        node.below += by
        if (node.below === 0 && node.txts.length === 0) this.#nodes.delete(at)
      }
    }
  }

  #willEnd(second: number, key: WireKey): void {
    // A second already visited would never be looked at again.
    const bucket = Math.max(second, this.#swept + 1)
    const keys = this.#endings.get(bucket)
    if (keys === undefined) this.#endings.set(bucket, [key])
    else keys.push(key)
  }
}
