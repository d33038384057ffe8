/**
 * MACs in the order they came, found by their octets, each with a place below `capacity`. Kept in
 * typed arrays: as strings and objects, a hundred thousand of them were 20 MB for every collection
 * to walk. A MAC is told by its first 16 octets.
 */
import * as SecureRandom from "../runtime/SecureRandom.ts"

const words = 4
const none = -1

const wordAt = (mac: Uint8Array, at: number): number =>
  ((mac[at] ?? 0) |
    ((mac[at + 1] ?? 0) << 8) |
    ((mac[at + 2] ?? 0) << 16) |
    ((mac[at + 3] ?? 0) << 24)) >>>
  0

export class SeenMacs {
  readonly capacity: number
  #size = 0
  readonly #macs: Uint32Array
  /** Unix seconds. */
  readonly #untils: Float64Array
  /** The places by age. */
  readonly #older: Int32Array
  readonly #newer: Int32Array
  #oldest = none
  #newest = none
  /** The next place of the same bucket, or the next free one. */
  readonly #next: Int32Array
  readonly #buckets: Int32Array
  #free = none
  /** Places from here on were never used. */
  #unused = 0
  // Odd and secret: who may sign could otherwise choose MACs that share a bucket.
  readonly #factor = SecureRandom.unsafeOctets(4).readUInt32LE(0) | 1
  readonly #shift: number

  constructor(capacity: number) {
    this.capacity = capacity
    this.#macs = new Uint32Array(capacity * words)
    this.#untils = new Float64Array(capacity)
    this.#older = new Int32Array(capacity)
    this.#newer = new Int32Array(capacity)
    this.#next = new Int32Array(capacity)
    const bits = Math.max(1, Math.ceil(Math.log2(capacity)))
    this.#shift = 32 - bits
    this.#buckets = new Int32Array(2 ** bits).fill(none)
  }

  get size(): number {
    return this.#size
  }

  /** The place of `mac`, if it is there. */
  find(mac: Uint8Array): number | undefined {
    let place = this.#buckets[this.#bucket(wordAt(mac, 0))] ?? none
    while (place !== none && !this.#holds(place, mac)) place = this.#next[place] ?? none
    return place === none ? undefined : place
  }

  /** Adds one that is not there, and for which there is room; yields its place. */
  add(mac: Uint8Array, until: number): number {
    const place = this.#take()
    for (let word = 0; word < words; word++)
      this.#macs[place * words + word] = wordAt(mac, word * 4)
    this.#untils[place] = until
    const bucket = this.#bucket(wordAt(mac, 0))
    this.#next[place] = this.#buckets[bucket] ?? none
    this.#buckets[bucket] = place
    this.#older[place] = this.#newest
    this.#newer[place] = none
    if (this.#newest === none) this.#oldest = place
    else this.#newer[this.#newest] = place
    this.#newest = place
    this.#size++
    return place
  }

  remove(place: number): void {
    const next = this.#next[place] ?? none
    const bucket = this.#bucket(this.#macs[place * words] ?? 0)
    let before = this.#buckets[bucket] ?? none
    if (before === place) this.#buckets[bucket] = next
    else {
      while (this.#next[before] !== place) before = this.#next[before] ?? none
      this.#next[before] = next
    }
    const older = this.#older[place] ?? none
    const newer = this.#newer[place] ?? none
    if (older === none) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === none) this.#newest = older
    else this.#older[newer] = older
    this.#next[place] = this.#free
    this.#free = place
    this.#size--
  }

  /** The place of the oldest, if it ended before `now` (s) or there is no room for another. */
  spent(now: number): number | undefined {
    const place = this.#oldest
    if (place === none) return undefined
    return this.#size >= this.capacity || (this.#untils[place] ?? 0) < now ? place : undefined
  }

  #take(): number {
    const place = this.#free
    if (place === none) return this.#unused++
    this.#free = this.#next[place] ?? none
    return place
  }

  #bucket(word: number): number {
    return Math.imul(word, this.#factor) >>> this.#shift
  }

  #holds(place: number, mac: Uint8Array): boolean {
    for (let word = 0; word < words; word++)
      if (this.#macs[place * words + word] !== wordAt(mac, word * 4)) return false
    return true
  }
}
