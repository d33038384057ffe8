/**
 * The live values of one owner name on their way from the zone's memory into a reply. Another
 * thread may change that memory: the reply is then thrown away, but until then nothing that is
 * read here may break anything, whatever it is.
 */
import { textAt } from "../wire/TxtOctets.ts"
import type { ReplyWriter } from "../wire/ReplyWriter.ts"
import type { Ref } from "../zone/Arena.ts"
import type { StaticRrset } from "../zone/ServedZones.ts"
import type { ZoneReader } from "../zone/ZoneReader.ts"

/** What a TXT record takes beside its RDATA, its owner name pointing to the question. */
const fixedOctets = 12

export class LiveRrset {
  /** Octets of the records. */
  size = 0
  /** Seconds until the first of the values ends; no more than it was asked for. */
  ttl = 0
  readonly #live: ZoneReader
  readonly #writer: ReplyWriter
  #node: Ref = 0
  #now = 0
  #count = 0
  #turn = 0

  constructor(live: ZoneReader, writer: ReplyWriter) {
    this.#live = live
    this.#writer = writer
  }

  /** Takes the values of `node`, live at `now` (s); none where it is 0. */
  open(node: Ref, now: number, ttl: number): void {
    const live = this.#live
    this.#node = node
    this.#now = now
    this.#count = node === 0 ? 0 : live.count(node)
    this.size = 0
    this.ttl = ttl
    let at = this.#count === 0 ? 0 : live.first(node)
    for (let left = this.#count; left > 0 && at !== 0; left--) {
      const rest = live.expiresAt(at) - now
      if (rest > 0) {
        this.size += fixedOctets + live.rdataLength(at)
        if (rest < this.ttl) this.ttl = rest
      }
      at = live.next(at)
    }
  }

  /** Readers look at the first values only, so every value gets its turn there. */
  write(room: number, configured: StaticRrset | undefined): void {
    if (this.#count === 0) return
    const live = this.#live
    let at = live.first(this.#node)
    for (let skip = this.#turn++ % this.#count; skip > 0 && at !== 0; skip--) at = live.next(at)
    for (let left = this.#count; left > 0; left--) {
      this.#one(at, room, configured)
      at = live.next(at) || live.first(this.#node)
    }
  }

  /** The values written last, as many as `room` takes. */
  writeNewest(room: number, configured: StaticRrset | undefined): void {
    const live = this.#live
    const oldestFirst: Array<Ref> = []
    let at = this.#count === 0 ? 0 : live.first(this.#node)
    for (let left = this.#count; left > 0 && at !== 0; left--) {
      oldestFirst.push(at)
      at = live.next(at)
    }
    for (const one of oldestFirst.reverse()) this.#one(one, room, configured)
  }

  /** A value, if it is live, fits, and does not stand among the configured records. */
  #one(at: Ref, room: number, configured: StaticRrset | undefined): void {
    const live = this.#live
    const length = live.rdataLength(at)
    if (live.expiresAt(at) <= this.#now) return
    if (this.#writer.length + fixedOctets + length > room) return
    const { octets } = live
    const start = live.rdataStart(at)
    if (configured?.texts?.has(textAt(octets, start, length)) === true) return
    this.#writer.txt(octets, start, length, this.ttl)
  }
}
