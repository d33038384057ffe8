/**
 * The name a query asks for, without making a string of it: its octets in lower case, where its
 * labels start, and its hash, from one pass over the message. All hold until the next `read`.
 */
import type { HashedKey } from "./KeyOctets.ts"
import { unsafeWireKey, type WireKey } from "./Name.ts"
import { hashEnd, hashOctet, hashStart } from "./NameHash.ts"

/** Octets of a name without the root label (RFC 1035 §2.3.4). */
const maxOctets = 254
const maxLabels = maxOctets / 2

export class QuestionName implements HashedKey {
  readonly words = new Int32Array(Math.ceil(maxOctets / 4))
  readonly octets = Buffer.from(this.words.buffer)
  length = 0
  /** As `hashOf` its key. */
  hash = 0
  /** Where each label starts within `octets`; the first `labelCount` entries count. */
  readonly labels = new Uint8Array(maxLabels)
  labelCount = 0
  readonly #hashStart: number
  #key: WireKey | undefined

  constructor(start = hashStart) {
    this.#hashStart = start
  }

  /** Where the root label stands that ends it, or -1. A first name has nothing to point back to. */
  read(message: Buffer, start: number): number {
    const { labels, octets } = this
    let hash = this.#hashStart
    let at = start
    let count = 0
    for (;;) {
      const size = message[at]
      if (size === undefined || size > 63) return -1
      if (size === 0) break
      const end = at + 1 + size
      if (end - start > maxOctets || end > message.length) return -1
      labels[count++] = at - start
      // The length octet is below every letter.
      for (; at < end; at++) {
        const octet = message[at] ?? 0
        const lower = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
        octets[at - start] = lower
        hash = hashOctet(hash, lower)
      }
    }
    this.length = at - start
    // The last word is compared whole.
    for (let i = this.length; (i & 3) !== 0; i++) octets[i] = 0
    this.labelCount = count
    this.hash = hashEnd(hash)
    this.#key = undefined
    return at
  }

  /** As a wire key; made when it is first asked for. */
  get key(): WireKey {
    this.#key ??= unsafeWireKey(this.octets.toString("latin1", 0, this.length))
    return this.#key
  }

  /** True when it is `apex`, which has so many labels, or lies below it. */
  isWithin(apex: WireKey, labelCount: number): boolean {
    const start = this.#label(labelCount)
    return start >= 0 && this.length - start === apex.length && this.#endsWith(apex)
  }

  /** Where the last `labelCount` labels start, or -1 when there are not so many. */
  #label(labelCount: number): number {
    if (labelCount > this.labelCount) return -1
    return labelCount === 0 ? this.length : (this.labels[this.labelCount - labelCount] ?? -1)
  }

  #endsWith(key: WireKey): boolean {
    const { octets } = this
    const start = this.length - key.length
    for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) !== octets[start + i]) return false
    return true
  }
}
