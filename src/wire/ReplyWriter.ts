/**
 * Writes a reply to a read query into one reused buffer. Invariant: `bytes[0, length)` is a
 * whole message after `finish`; a section's records are written between `begin` and it.
 */
import { flag, rrClass, type as rrType } from "./Codes.ts"
import { encodeTxt } from "./TxtData.ts"

/** Octets of a message over TCP (RFC 1035 §4.2.2). */
export const maxMessage = 65_535

const ownerIsQuestion = 0xc00c

export class ReplyWriter {
  readonly bytes = Buffer.allocUnsafeSlow(maxMessage)
  length = 12
  #answers = 0
  #authorities = 0
  #additionals = 0

  /** Starts a reply to `query`, echoing its ID, opcode, RD and its question as it came (0x20). */
  begin(query: Buffer, questionEnd: number, flags: number, rcode: number): void {
    const { bytes } = this
    query.copy(bytes, 0, 0, questionEnd)
    bytes.writeUInt16BE(
      flag.QR | flags | (query.readUInt16BE(2) & (0x7800 | flag.RD)) | (rcode & 15),
      2
    )
    bytes.writeUInt16BE(questionEnd > 12 ? 1 : 0, 4)
    this.length = questionEnd
    this.#answers = 0
    this.#authorities = 0
    this.#additionals = 0
  }

  /** A TXT record at the question's name, its RDATA taken from `source`. */
  txt(source: Buffer, start: number, length: number, ttl: number): void {
    const at = this.#fixed(ownerIsQuestion, rrType.TXT, ttl)
    this.bytes.writeUInt16BE(length, at)
    source.copy(this.bytes, at + 2, start, start + length)
    this.length = at + 2 + length
    this.#answers++
  }

  /** A record in the answer section, owned by the question's name. */
  answer(type: number, ttl: number, rdata: Buffer): void {
    this.#rdata(this.#fixed(ownerIsQuestion, type, ttl), rdata)
    this.#answers++
  }

  /** A TXT record of one string in class CH, about the server itself. */
  chaos(text: string): void {
    const at = this.length
    const rdata = encodeTxt(text)
    this.txt(rdata, 0, rdata.length, 0)
    this.bytes.writeUInt16BE(rrClass.CH, at + 4)
  }

  /** A record in the authority section, owned by the name at `owner` octets into the message. */
  authority(owner: number, type: number, ttl: number, rdata: Buffer): void {
    this.#rdata(this.#fixed(0xc000 | owner, type, ttl), rdata)
    this.#authorities++
  }

  /** A whole record, owner name included, in the additional section. */
  additional(record: Buffer): void {
    record.copy(this.bytes, this.length)
    this.length += record.length
    this.#additionals++
  }

  /** The OPT record (RFC 6891 §6.1.2); `options` already in wire form. Must be the last record. */
  opt(payload: number, extendedRcode: number, dnssecOk: boolean, options: Buffer): void {
    const { bytes } = this
    let at = this.length
    bytes[at] = 0
    bytes.writeUInt16BE(rrType.OPT, at + 1)
    bytes.writeUInt16BE(payload, at + 3)
    bytes[at + 5] = extendedRcode >> 4
    bytes[at + 6] = 0
    bytes.writeUInt16BE(dnssecOk ? 0x8000 : 0, at + 7)
    bytes.writeUInt16BE(options.length, at + 9)
    at += 11
    options.copy(bytes, at)
    this.length = at + options.length
    this.#additionals++
  }

  /** A copy of the message, to be sent. */
  finish(): Buffer {
    const { bytes } = this
    bytes.writeUInt16BE(this.#answers, 6)
    bytes.writeUInt16BE(this.#authorities, 8)
    bytes.writeUInt16BE(this.#additionals, 10)
    return Buffer.from(bytes.subarray(0, this.length))
  }

  #fixed(owner: number, type: number, ttl: number): number {
    const { bytes, length } = this
    bytes.writeUInt16BE(owner, length)
    bytes.writeUInt16BE(type, length + 2)
    bytes.writeUInt16BE(rrClass.IN, length + 4)
    bytes.writeUInt32BE(ttl, length + 6)
    return length + 10
  }

  #rdata(at: number, rdata: Buffer): void {
    this.bytes.writeUInt16BE(rdata.length, at)
    rdata.copy(this.bytes, at + 2)
    this.length = at + 2 + rdata.length
  }
}
