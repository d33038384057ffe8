/**
 * DNS Cookies (RFC 7873): what a query's COOKIE option proves and the option that goes back.
 * A client whose server cookie holds has shown that it receives what is sent to its address.
 */
import type { Clock } from "effect"
import { octetsOf } from "../runtime/IpAddress.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { ednsOption } from "../wire/Codes.ts"
import * as Cookie from "../wire/Cookie.ts"
import type { QueryReader } from "../wire/Query.ts"

/** `good` and `renew` prove the address; `client` is a client's cookie alone. */
export type CookieVerdict = "none" | "client" | "good" | "renew" | "bad"

const whole = Cookie.clientOctets + Cookie.serverOctets

export class Cookies {
  readonly #keys: ReadonlyArray<Cookie.Secret>
  readonly #clock: Clock.Clock

  /** The first of `secrets`, 16 octets each, makes cookies; all of them are recognised. */
  constructor(secrets: ReadonlyArray<Buffer>, clock: Clock.Clock) {
    this.#keys = secrets.map(Cookie.secret)
    this.#clock = clock
  }

  /** Judges the COOKIE option that `reader` has found in `message`, if there was one. */
  judge(message: Buffer, reader: QueryReader, address: string): CookieVerdict {
    if (reader.cookieLength === 0) return "none"
    const server = reader.cookieLength - Cookie.clientOctets
    if (server === 0) return "client"
    return Cookie.verify(
      message,
      reader.cookieAt + Cookie.clientOctets,
      server,
      octetsOf(address),
      this.#now(),
      this.#keys
    )
  }

  /** The option for the reply: the client's cookie and ours, a new one unless its own is good. */
  option(message: Buffer, reader: QueryReader, address: string, verdict: CookieVerdict): Buffer {
    const option = Buffer.alloc(4 + whole)
    option.writeUInt16BE(ednsOption.COOKIE, 0)
    option.writeUInt16BE(whole, 2)
    const kept = verdict === "good" ? whole : Cookie.clientOctets
    message.copy(option, 4, reader.cookieAt, reader.cookieAt + kept)
    const [key] = this.#keys
    if (verdict !== "good" && key !== undefined)
      Cookie.mint(option, 4 + Cookie.clientOctets, octetsOf(address), this.#now(), key)
    return option
  }

  #now(): number {
    return UnixTime.unsafeNow(this.#clock)
  }
}
