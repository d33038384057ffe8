/**
 * A wire key as octets with its hash, in one reused place: what names from texts are looked up
 * by, as those of questions are by `QuestionName`.
 */
import type { WireKey } from "./Name.ts"
import { hashEnd, hashOctet, hashStart } from "./NameHash.ts"

/** Octets of a name without the root label (RFC 1035 §2.3.4). */
export const maxKeyOctets = 254
const maxText = maxKeyOctets - 1

/** What a table of names compares: whole words, zero behind `length` octets. */
export interface HashedKey {
  readonly words: Int32Array
  readonly length: number
  readonly hash: number
}

const dot = 0x2e
const hyphen = 0x2d
const underscore = 0x5f

const isLetterOrDigit = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)

export class KeyOctets implements HashedKey {
  readonly words = new Int32Array(Math.ceil(maxKeyOctets / 4))
  length = 0
  hash = 0
  readonly #octets = Buffer.from(this.words.buffer)
  readonly #hashStart: number

  constructor(start = hashStart) {
    this.#hashStart = start
  }

  setKey(key: WireKey): void {
    this.length = Math.min(key.length, maxKeyOctets)
    for (let i = 0; i < this.length; i++) this.#octets[i] = key.charCodeAt(i)
    this.#finish()
  }

  /** Takes a name in presentation form; false, and nothing is held, where `Name.parse` fails. */
  setName(text: string): boolean {
    let end = text.length
    while (end > 0 && text.charCodeAt(end - 1) === dot) end--
    if (end === 0 || end > maxText) return false
    const octets = this.#octets
    let start = 0
    for (let at = 0; at <= end; at++) {
      let code = at === end ? dot : text.charCodeAt(at)
      if (code >= 0x41 && code <= 0x5a) code |= 0x20
      if (code !== dot) {
        // An underscore stands only at a label's start, hyphens only within (RFC 1035, RFC 8552).
        if (!isLetterOrDigit(code) && code !== hyphen && (code !== underscore || at > start))
          return false
        octets[at + 1] = code
        continue
      }
      const length = at - start
      const first = octets[start + 1] === underscore ? start + 1 : start
      if (length === 0 || length > 63 || first === at) return false
      if (octets[first + 1] === hyphen || octets[at] === hyphen) return false
      octets[start] = length
      start = at + 1
    }
    this.length = end + 1
    this.#finish()
    return true
  }

  /** Goes one label up; false at the root, which is no key. */
  up(): boolean {
    const label = (this.#octets[0] ?? 0) + 1
    if (label >= this.length) return false
    this.#octets.copyWithin(0, label, this.length)
    this.length -= label
    this.#finish()
    return true
  }

  #finish(): void {
    const octets = this.#octets
    for (let i = this.length; (i & 3) !== 0; i++) octets[i] = 0
    let hash = this.#hashStart
    for (let i = 0; i < this.length; i++) hash = hashOctet(hash, octets[i] ?? 0)
    this.hash = hashEnd(hash)
  }
}
