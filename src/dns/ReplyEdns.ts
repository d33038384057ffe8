/**
 * The EDNS side of one exchange: what the query's options prove and which options its reply
 * carries. Invariant: a query without options costs nothing here.
 */
import type { Clock } from "effect"
import { ednsOption } from "../wire/Codes.ts"
import type { QueryReader } from "../wire/Query.ts"
import type { ReplyWriter } from "../wire/ReplyWriter.ts"
import { Cookies, type CookieVerdict } from "./Cookies.ts"
import { isStream, type Transport } from "./Exchange.ts"

export const noOptions: Buffer = Buffer.alloc(0)

const option = (code: number, data: Buffer): Buffer => {
  const octets = Buffer.alloc(4 + data.length)
  octets.writeUInt16BE(code, 0)
  octets.writeUInt16BE(data.length, 2)
  data.copy(octets, 4)
  return octets
}

/** Extended DNS Error without text (RFC 8914 §2). */
export const extendedErrorOption = (code: number): Buffer =>
  option(ednsOption.EXTENDED_ERROR, Buffer.from([code >> 8, code & 255]))

export interface ReplyEdnsSettings {
  /** UDP payload size we name, octets. */
  readonly udpPayload: number
  /** Identifies this server among those that share its address (RFC 5001). */
  readonly nsid?: string | undefined
  /** Seconds a TCP connection may be idle, told to clients that ask (RFC 7828). */
  readonly tcpIdleTimeout?: number | undefined
  /** Sixteen octets each; without any, cookies are ignored. */
  readonly cookieSecrets?: ReadonlyArray<Buffer>
}

// The root, type, size, extended rcode, version, flags and RDLENGTH.
const optOctets = 11

// RFC 8467 §4.1.
const block = 468

export class ReplyEdns {
  readonly #reader: QueryReader
  readonly #udpPayload: number
  readonly #nsid: Buffer = noOptions
  readonly #keepalive: Buffer = noOptions
  readonly #cookies: Cookies | undefined
  #cookie: CookieVerdict = "none"
  #address = ""
  #options = noOptions
  #padded = false

  constructor(reader: QueryReader, clock: Clock.Clock, settings: ReplyEdnsSettings) {
    const { cookieSecrets = [], nsid, tcpIdleTimeout, udpPayload } = settings
    this.#reader = reader
    this.#udpPayload = udpPayload
    if (nsid !== undefined) this.#nsid = option(ednsOption.NSID, Buffer.from(nsid))
    if (tcpIdleTimeout !== undefined) {
      const tenths = Buffer.alloc(2)
      tenths.writeUInt16BE(Math.min(65_535, Math.floor(tcpIdleTimeout * 10)))
      this.#keepalive = option(ednsOption.TCP_KEEPALIVE, tenths)
    }
    if (cookieSecrets.length > 0) this.#cookies = new Cookies(cookieSecrets, clock)
  }

  /** Judges the message that the reader has just read; `address` is canonical. */
  open(message: Buffer, address: string): void {
    this.#address = address
    this.#cookie =
      this.#reader.cookieLength > 0 && this.#cookies !== undefined
        ? this.#cookies.judge(message, this.#reader, address)
        : "none"
  }

  /** Of the message opened last. */
  get cookie(): CookieVerdict {
    return this.#cookie
  }

  /** Chooses the options of the reply: each only when the client has asked for it. */
  prepare(query: Buffer, transport: Transport): void {
    const reader = this.#reader
    this.#options = noOptions
    this.#padded = false
    if (!reader.edns) return
    // On a connection that can be read by others, padding hides nothing.
    this.#padded = (transport === "https" || transport === "tls") && reader.wantsPadding
    if (this.#cookie !== "none" && this.#cookies !== undefined)
      this.#options = this.#cookies.option(query, reader, this.#address, this.#cookie)
    if (reader.wantsNsid) this.#options = Buffer.concat([this.#options, this.#nsid])
    // RFC 7828 §3.3.2: ignored over UDP.
    if (reader.wantsKeepalive && isStream(transport))
      this.#options = Buffer.concat([this.#options, this.#keepalive])
  }

  /** Octets the OPT record will take, padding and errors left aside. */
  get size(): number {
    return this.#reader.edns ? optOctets + this.#options.length : 0
  }

  /** Writes the OPT record, if the query had one; `more` are options beside those prepared. */
  write(writer: ReplyWriter, rcode: number, more: Buffer): void {
    if (!this.#reader.edns) return
    let options = more.length === 0 ? this.#options : Buffer.concat([this.#options, more])
    if (this.#padded) {
      const unpadded = writer.length + optOctets + options.length + 4
      const padding = Buffer.alloc((block - (unpadded % block)) % block)
      options = Buffer.concat([options, option(ednsOption.PADDING, padding)])
    }
    writer.opt(this.#udpPayload, rcode, this.#reader.dnssecOk, options)
  }
}
