/**
 * Writes replies to read queries, one behind another into memory that is given away with them:
 * what `finish` yields is never written again, and nothing is copied. Invariant: a section's
 * records are written between `begin` and `finish`, and take no more than the room begun with.
 */
import { flag, rrClass, type as rrType } from "./Codes.ts"
import { encodeTxt } from "./TxtData.ts"

/** Octets of a message over TCP (RFC 1035 §4.2.2). */
export const maxMessage = 65_535

const ownerIsQuestion = 0xc00c
const headerOctets = 12

/** What is taken at once, for many replies. */
const slabOctets = 64 * 1024
/** A question, one record about a zone or this server, and every EDNS option there is. */
const ordinaryRoom = 4096

export class ReplyWriter {
  #slab = Buffer.allocUnsafeSlow(slabOctets)
  /** Where the reply under way begins, and where its next octet goes. */
  #start = 0
  #at = headerOctets
  #answers = 0
  #authorities = 0
  #additionals = 0

  /** Octets written of the reply under way. */
  get length(): number {
    return this.#at - this.#start
  }

  /**
   * Starts a reply to `query`, echoing its ID, opcode, RD and its question as it came (0x20).
   * `room` is for all of it, in octets.
   */
  begin(
    query: Buffer,
    questionEnd: number,
    flags: number,
    rcode: number,
    room = ordinaryRoom
  ): void {
    if (this.#slab.length - this.#start < room) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabOctets, room))
      this.#start = 0
    }
    const slab = this.#slab
    const start = this.#start
    query.copy(slab, start, 0, questionEnd)
    // Opcode and RD go back as they came; the opcode lies wholly in the first octet.
    slab[start + 2] = ((flag.QR | flags) >> 8) | ((query[2] ?? 0) & ((0x7800 | flag.RD) >> 8))
    slab[start + 3] = (flags & 0xf0) | (rcode & 15)
    slab[start + 4] = 0
    slab[start + 5] = questionEnd > headerOctets ? 1 : 0
    this.#at = start + questionEnd
    this.#answers = 0
    this.#authorities = 0
    this.#additionals = 0
  }

  /** A TXT record at the question's name, its RDATA taken from `source`. */
  txt(source: Buffer, start: number, length: number, ttl: number): void {
    const at = this.#fixed(ownerIsQuestion, rrType.TXT, ttl)
    put16(this.#slab, at, length)
    source.copy(this.#slab, at + 2, start, start + length)
    this.#at = at + 2 + length
    this.#answers++
  }

  /** A record in the answer section, owned by the question's name. */
  answer(type: number, ttl: number, rdata: Buffer): void {
    this.#rdata(this.#fixed(ownerIsQuestion, type, ttl), rdata)
    this.#answers++
  }

  /** A TXT record of one string in class CH, about the server itself. */
  chaos(text: string): void {
    const at = this.#at
    const rdata = encodeTxt(text)
    this.txt(rdata, 0, rdata.length, 0)
    put16(this.#slab, at + 4, rrClass.CH)
  }

  /** A record in the authority section, owned by the name at `owner` octets into the message. */
  authority(owner: number, type: number, ttl: number, rdata: Buffer): void {
    this.#rdata(this.#fixed(0xc000 | owner, type, ttl), rdata)
    this.#authorities++
  }

  /** A whole record, owner name included, in the additional section. */
  additional(record: Buffer): void {
    record.copy(this.#slab, this.#at)
    this.#at += record.length
    this.#additionals++
  }

  /** The OPT record (RFC 6891 §6.1.2); `options` already in wire form. Must be the last record. */
  opt(payload: number, extendedRcode: number, dnssecOk: boolean, options: Buffer): void {
    const slab = this.#slab
    const at = this.#at
    slab[at] = 0
    put16(slab, at + 1, rrType.OPT)
    put16(slab, at + 3, payload)
    slab[at + 5] = extendedRcode >> 4
    slab[at + 6] = 0
    put16(slab, at + 7, dnssecOk ? 0x8000 : 0)
    put16(slab, at + 9, options.length)
    if (options.length > 0) options.copy(slab, at + 11)
    this.#at = at + 11 + options.length
    this.#additionals++
  }

  /** The message, to be sent and to be kept as long as need be. */
  finish(): Buffer {
    const slab = this.#slab
    const start = this.#start
    const end = this.#at
    put16(slab, start + 6, this.#answers)
    put16(slab, start + 8, this.#authorities)
    put16(slab, start + 10, this.#additionals)
    // The next one begins on a whole word.
    this.#start = (end + 7) & ~7
    return slab.subarray(start, end)
  }

  #fixed(owner: number, type: number, ttl: number): number {
    const slab = this.#slab
    const at = this.#at
    put16(slab, at, owner)
    put16(slab, at + 2, type)
    put16(slab, at + 4, rrClass.IN)
    put16(slab, at + 6, ttl >>> 16)
    put16(slab, at + 8, ttl)
    return at + 10
  }

  #rdata(at: number, rdata: Buffer): void {
    put16(this.#slab, at, rdata.length)
    rdata.copy(this.#slab, at + 2)
    this.#at = at + 2 + rdata.length
  }
}

/** `writeUInt16BE` without its checks, which cost more than the writing: the room is there. */
const put16 = (slab: Buffer, at: number, value: number): void => {
  slab[at] = value >>> 8
  slab[at + 1] = value
}
