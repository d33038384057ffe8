/**
 * The memory of the live zone: one growable buffer that every thread reads and one writes.
 * Invariant: a change lies between `lock` and `unlock`, which leave the sequence odd and even;
 * what a reader has seen counts only if the sequence was even and is still the same afterwards.
 *
 * Places are `Ref`s, in units of eight octets; 0 is nothing. Eight KiB are a page. Every GiB
 * begins with a word for each of its pages (`Pages`); behind the first of these stand one page
 * of header words and the wheel of endings (`Endings`), then pages that `Slabs` cuts up.
 */
import { hashStart } from "../wire/NameHash.ts"

/** A place in the arena; 0 is nothing. */
export type Ref = number

export const pageOctets = 8192
export const pageWords = pageOctets / 4
export const pageRefs = pageOctets / 8
/** Pages that one table of page words describes, and how many of them it takes. */
export const regionPages = 131_072
export const regionTable = (regionPages * 4) / pageOctets

/** The first word of the header. */
const header = regionTable * pageWords
/** Where the heads of the wheel of endings stand: so many words. */
export const wheel = header + pageWords
export const wheelSize = 65_536
/** The first page that is given out. */
export const firstPage = regionTable + 1 + wheelSize / pageWords

// Header words that change with every write, that readers read, and that only the writer knows
// lie in lines of the cache of their own.
const sequence = 0
const pagesWord = header + 16
const hashStartWord = header + 17
export const tableWord = header + 18
export const maskWord = header + 19
export const valuesWord = header + 32
export const sweptWord = header + 33
export const nodesWord = header + 34
export const topWord = header + 35
/** Pages in free runs. */
export const freeWord = header + 36
/** Free runs of pages by the logarithm of their length. */
export const runsWord = header + 64
/** Pages with free places, by size class. */
export const classesWord = header + 128

/** Tried in turn: a system may not let so much be reserved, although none of it is used yet. */
const limits = [2 ** 33, 2 ** 32, 2 ** 31, 2 ** 30]
/** What grows the buffer grows it by at least so many pages, or an eighth. */
const leastGrowth = 128
/** Looks at the lock before a reader sleeps, and how long it sleeps then, in ms. */
const patience = 200
const nap = 1

/** All that there can be is in use, or the system gives no more. */
export class ZoneFull extends RangeError {
  constructor(octets: number) {
    super(`the memory of the live zone is full at ${Math.floor(octets / 2 ** 20)} MiB`)
  }
}

const reserve = (limit: number | undefined): SharedArrayBuffer => {
  const octets = (firstPage + 16) * pageOctets
  if (limit !== undefined)
    return new SharedArrayBuffer(octets, { maxByteLength: Math.max(octets, limit) })
  for (const maxByteLength of limits.slice(0, -1)) {
    try {
      return new SharedArrayBuffer(octets, { maxByteLength })
    } catch {
      // The next limit is lower.
    }
  }
  return new SharedArrayBuffer(octets, { maxByteLength: limits.at(-1) ?? octets })
}

export class Arena {
  readonly memory: SharedArrayBuffer
  /** Every word; another array after the buffer has grown. */
  words: Int32Array
  /** Every octet; as `words`. */
  octets: Buffer
  /** Where hashes of names begin, for who looks names up here. */
  readonly hashStart: number
  readonly #alone: boolean
  readonly #control: Int32Array
  /** Written to order what this thread has read before what it reads next. */
  readonly #fence = new Int32Array(new SharedArrayBuffer(4))

  /**
   * Over `memory`, or new and of at most `limit` octets. Only who is not the writer itself need
   * not be `alone`.
   */
  constructor(memory?: SharedArrayBuffer, alone = true, limit?: number) {
    this.memory = memory ?? reserve(limit)
    this.#alone = alone
    this.#control = new Int32Array(this.memory, header * 4, 16)
    const pages = Math.floor(this.memory.byteLength / pageOctets)
    this.words = new Int32Array(this.memory, 0, pages * pageWords)
    this.octets = Buffer.from(this.memory, 0, pages * pageOctets)
    if (memory === undefined) {
      this.words[pagesWord] = pages
      this.words[hashStartWord] = hashStart
      this.words[topWord] = firstPage
    }
    this.hashStart = this.words[hashStartWord] ?? 0
  }

  /** Begins a read: yields what `unchanged` is to be asked with. */
  begin(): number {
    if (this.#alone) return 0
    let seen = Atomics.load(this.#control, sequence)
    for (let looks = 1; (seen & 1) !== 0; looks++) {
      if (looks > patience) Atomics.wait(this.#control, sequence, seen, nap)
      seen = Atomics.load(this.#control, sequence)
    }
    this.refresh()
    return seen
  }

  /** True when nothing has changed since `begin` gave `seen`: what was read meanwhile holds. */
  unchanged(seen: number): boolean {
    if (this.#alone) return true
    // An ordinary read may be made after an atomic one that follows it, where the processor
    // orders as weakly as ARM; after an atomic write it is not, nor does the next read pass that.
    Atomics.store(this.#fence, 0, 0)
    return Atomics.load(this.#control, sequence) === seen
  }

  /** Sees what the buffer has grown by. */
  refresh(): void {
    const pages = this.words[pagesWord] ?? 0
    if (pages * pageWords !== this.words.length) this.#view(pages)
  }

  lock(): void {
    Atomics.add(this.#control, sequence, 1)
    // Ordinary writes may overtake an atomic write, but no atomic read, and this none of those.
    Atomics.load(this.#control, sequence)
  }

  unlock(): void {
    Atomics.add(this.#control, sequence, 1)
  }

  /** Pages there can be. */
  get most(): number {
    return Math.floor(this.memory.maxByteLength / pageOctets)
  }

  /** Makes the first `pages` pages usable. */
  ensure(pages: number): void {
    if (!this.grow(pages)) throw new ZoneFull(this.memory.maxByteLength)
  }

  /** As `ensure`; false when they are not to be had. */
  grow(pages: number): boolean {
    const held = this.words[pagesWord] ?? 0
    if (pages <= held) return true
    const { most } = this
    if (pages > most) return false
    const grown = Math.min(most, Math.max(pages, held + Math.max(leastGrowth, held >> 3)))
    try {
      this.memory.grow(grown * pageOctets)
    } catch {
      return false
    }
    this.#view(grown)
    this.words[pagesWord] = grown
    return true
  }

  #view(pages: number): void {
    this.words = new Int32Array(this.memory, 0, pages * pageWords)
    this.octets = Buffer.from(this.memory, 0, pages * pageOctets)
  }
}
