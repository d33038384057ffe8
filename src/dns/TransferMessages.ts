/**
 * Packs the records of a zone transfer into messages (RFC 5936 §2.2): as many as fit, each
 * with the question, owner names shortened against it. Synchronous; the caller decides when
 * to go on.
 */
import { flag, rrClass, type as rrType } from "../wire/Codes.ts"
import type { WireKey } from "../wire/Name.ts"
import type { ServedZone } from "../zone/ServedZones.ts"

/** A message is closed when it has grown past this; a single record may be larger. */
const goodSize = 16 * 1024
/** A signature fits in beside it. */
const maxSize = 65_000
const noOctets = Buffer.alloc(0)
/** An OPT record without options. */
const optOctets = 11

export interface TransferMessagesOptions {
  readonly query: Buffer
  readonly questionEnd: number
  readonly zone: ServedZone
  /** Seconds, of every live TXT record: what is left of each is not for secondaries. */
  readonly ttl: number
  /** Octets, where the query has EDNS: the first message then has an OPT record too. */
  readonly ednsPayload: number | undefined
}

export class TransferMessages {
  readonly #query: Buffer
  readonly #questionEnd: number
  readonly #zone: ServedZone
  readonly #ttl: number
  #ednsPayload: number | undefined
  /** Given away with the message, and made anew for the next. */
  #bytes = noOctets
  #length = 0
  #answers = 0

  constructor(options: TransferMessagesOptions) {
    this.#query = options.query
    this.#questionEnd = options.questionEnd
    this.#zone = options.zone
    this.#ttl = options.ttl
    this.#ednsPayload = options.ednsPayload
    this.#begin()
  }

  /** A record; yields a message when this record no longer fitted the one under way. */
  add(owner: WireKey, type: number, ttl: number, rdata: Buffer): Buffer | undefined {
    const full = this.#open(owner, type, ttl, rdata.length)
    this.#length += rdata.copy(this.#bytes, this.#length)
    return full
  }

  /** As `add`, for a live value, given as octets; there are many, so none has a buffer of its own. */
  txt(owner: WireKey, octets: string): Buffer | undefined {
    const strings = Math.max(1, Math.ceil(octets.length / 255))
    const full = this.#open(owner, rrType.TXT, this.#ttl, octets.length + strings)
    // RFC 1035 §3.3.14: strings of at most 255.
    for (let i = 0; i < strings; i++) {
      const part = strings === 1 ? octets : octets.slice(i * 255, (i + 1) * 255)
      this.#length = this.#bytes.writeUInt8(part.length, this.#length)
      this.#length += this.#bytes.write(part, this.#length, "latin1")
    }
    return full
  }

  /** Makes room for a record and writes it up to its rdata. */
  #open(owner: WireKey, type: number, ttl: number, rdataLength: number): Buffer | undefined {
    const prefix = owner.slice(0, owner.length - this.#zone.apex.length)
    const size = prefix.length + 2 + 10 + rdataLength
    const full = this.#answers > 0 && this.#length + size > goodSize ? this.take() : undefined
    this.#reserve(size + optOctets)
    const bytes = this.#bytes
    let at = this.#length + bytes.write(prefix, this.#length, "latin1")
    at = bytes.writeUInt16BE(0xc00c, at)
    at = bytes.writeUInt16BE(type, at)
    at = bytes.writeUInt16BE(rrClass.IN, at)
    at = bytes.writeUInt32BE(ttl, at)
    this.#length = bytes.writeUInt16BE(rdataLength, at)
    this.#answers++
    return full
  }

  /** The message under way, and a new one begun. */
  take(): Buffer {
    this.#bytes.writeUInt16BE(this.#answers, 6)
    this.#addOpt()
    const message = this.#bytes.subarray(0, this.#length)
    this.#begin()
    return message
  }

  /** RFC 5936 §2.2.5. */
  #addOpt(): void {
    if (this.#ednsPayload === undefined) return
    const bytes = this.#bytes
    bytes.writeUInt16BE(1, 10)
    bytes.fill(0, this.#length, this.#length + optOctets)
    bytes.writeUInt16BE(rrType.OPT, this.#length + 1)
    bytes.writeUInt16BE(this.#ednsPayload, this.#length + 3)
    this.#length += optOctets
    this.#ednsPayload = undefined
  }

  /** Only a record that is larger than a message should be needs more than there is. */
  #reserve(octets: number): void {
    if (this.#length + octets <= this.#bytes.length) return
    if (this.#length + octets > maxSize) throw new RangeError("a record is larger than a message")
    const larger = Buffer.allocUnsafe(this.#length + octets)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }

  #begin(): void {
    this.#bytes = Buffer.allocUnsafe(goodSize + optOctets)
    this.#query.copy(this.#bytes, 0, 0, this.#questionEnd)
    this.#bytes.writeUInt16BE(flag.QR | flag.AA, 2)
    this.#bytes.writeUInt16BE(1, 4)
    this.#bytes.fill(0, 6, 12)
    this.#length = this.#questionEnd
    this.#answers = 0
  }
}
