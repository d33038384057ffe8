/**
 * Reads a query out of its octets without building objects: the packet path reads every
 * message with one reader, whose fields hold until the next `read`. Never throws; reads
 * every record of the message so that a malformed tail is found too.
 */
import { ednsOption, flag, opcode, type as rrType } from "./Codes.ts"
import { QuestionName } from "./QuestionName.ts"

/**
 * - `drop`: no header, or a response: nothing is ever sent back.
 * - `query`: one question, well formed.
 * - `cookie`: no question, but a COOKIE option (RFC 7873 §5.4).
 * - `update`: opcode UPDATE, read by `wire/Update`.
 * - `signed`: a query that ends in a TSIG record.
 * - `formerr`, `notimp`, `badvers`: to be answered with that code.
 */
export type Verdict =
  "drop" | "query" | "cookie" | "update" | "signed" | "formerr" | "notimp" | "badvers"

export class QueryReader {
  /** QNAME. */
  readonly name: QuestionName
  /** Where the question ends; 12 when it could not be read. */
  questionEnd = 12
  type = 0
  class = 0
  edns = false
  /** What the client says it takes over UDP; 512 without EDNS. */
  udpPayload = 512
  dnssecOk = false
  wantsNsid = false
  /** True when the client sent edns-tcp-keepalive (RFC 7828). */
  wantsKeepalive = false
  /** True when the client sent PADDING (RFC 7830). */
  wantsPadding = false
  /** True once the message was read to its end, which lets an error carry an OPT record. */
  whole = false
  /** EDNS version asked for; only 0 is spoken. */
  version = 0
  /** Where the COOKIE option's data starts and how long it is; 0 when there is none. */
  cookieAt = 0
  cookieLength = 0
  #optBad = false

  /** `hashStart` is where names are looked up with their hashes. */
  constructor(hashStart?: number) {
    this.name = new QuestionName(hashStart)
  }

  read(message: Buffer): Verdict {
    this.questionEnd = 12
    this.edns = false
    this.udpPayload = 512
    this.dnssecOk = false
    this.wantsNsid = false
    this.wantsKeepalive = false
    this.wantsPadding = false
    this.cookieLength = 0
    this.#optBad = false
    this.whole = false
    this.version = 0
    const length = message.length
    if (length < 12) return "drop"
    const flags = word(message, 2)
    if ((flags & flag.QR) !== 0) return "drop"
    const code = (flags >> 11) & 15
    if (code === opcode.UPDATE) return "update"
    if (code !== opcode.QUERY) return "notimp"
    const questions = word(message, 4)
    if (questions > 1) return "formerr" // RFC 9619
    let at = 12
    if (questions === 1) {
      at = this.#question(message)
      if (at < 0) return "formerr"
    }
    const before = word(message, 6) + word(message, 8)
    const all = before + word(message, 10)
    let signed = false
    for (let i = 0; i < all; i++) {
      if (signed) return "formerr" // RFC 8945 §5.1: TSIG is the last record
      const fixed = skipName(message, at)
      if (fixed < 0 || fixed + 10 > length) return "formerr"
      const type = word(message, fixed)
      const end = fixed + 10 + word(message, fixed + 8)
      if (end > length) return "formerr"
      if (type === rrType.OPT) {
        if (i < before || this.edns || fixed !== at + 1 || message[at] !== 0) return "formerr"
        this.#opt(message, fixed, end)
      } else if (type === rrType.TSIG) {
        if (i < before) return "formerr"
        signed = true
      }
      at = end
    }
    if (at !== length) return "formerr"
    this.whole = true
    // A later version may write its options otherwise.
    if (this.version > 0 && !signed) return "badvers"
    if (this.#optBad) return "formerr"
    if (questions === 0) return this.cookieLength > 0 && !signed ? "cookie" : "formerr"
    if (signed) return "signed"
    return "query"
  }

  /** The question's end, or -1. */
  #question(message: Buffer): number {
    const at = this.name.read(message, 12)
    if (at < 0 || at + 5 > message.length) return -1
    this.type = word(message, at + 1)
    this.class = word(message, at + 3)
    this.questionEnd = at + 5
    return at + 5
  }

  /** RFC 6891 §6.1.2, from the TYPE field on. */
  #opt(message: Buffer, fixed: number, end: number): void {
    this.edns = true
    this.udpPayload = Math.max(512, word(message, fixed + 2))
    this.version = message[fixed + 5] ?? 0
    this.dnssecOk = ((message[fixed + 6] ?? 0) & 0x80) !== 0
    let at = fixed + 10
    while (at < end) {
      if (at + 4 > end) break
      const option = word(message, at)
      const octets = word(message, at + 2)
      if (at + 4 + octets > end) break
      if (option === ednsOption.NSID) this.wantsNsid = true
      else if (option === ednsOption.TCP_KEEPALIVE) this.wantsKeepalive = true
      else if (option === ednsOption.PADDING) this.wantsPadding = true
      else if (option === ednsOption.COOKIE) {
        // RFC 7873 §5.2.2: a client cookie of 8 octets, alone or with 8 to 32 of the server's.
        if (octets !== 8 && (octets < 16 || octets > 40)) this.#optBad = true
        else if (this.cookieLength === 0) {
          this.cookieAt = at + 4
          this.cookieLength = octets
        }
      }
      at += 4 + octets
    }
    if (at !== end) this.#optBad = true
  }
}

/** `readUInt16BE` without its checks; nobody reads beyond the end of what he uses. */
const word = (message: Buffer, at: number): number =>
  ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0)

/** Where the name at `at` ends, or -1. Pointers must go backwards; where to is not followed. */
const skipName = (message: Buffer, start: number): number => {
  let at = start
  for (;;) {
    const length = message[at]
    if (length === undefined) return -1
    if (length === 0) return at + 1
    if (length >= 0xc0) {
      if (at + 2 > message.length) return -1
      const target = word(message, at) & 0x3fff
      return target >= 12 && target < start ? at + 2 : -1
    }
    if (length > 63) return -1
    at += length + 1
    if (at - start > 254) return -1
  }
}
