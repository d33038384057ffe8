/**
 * Claim: tells a recipient in which sender's zone a message waits. Its signature is the whole
 * authority of an unsigned UPDATE, so `verify` is a security boundary.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface Claim {
  /** 16 octets. */
  readonly msgId: Uint8Array
  readonly senderSpk: Uint8Array
  /** Where the sender's slots are: 1 to 43 octets. */
  readonly senderDomain: string
  /** 0 to 9. */
  readonly slot: number
  readonly ts: number
  readonly exp: number
}

const magic = "DMPCL01"

// No blank and no control character of ASCII; anything beyond ASCII passes.
const visible = /^[!-~\u0080-\u{10ffff}]*$/u

/** A claim is one character-string. */
const maxText = 255

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<Claim> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by its sender, not from the future, not over, not above 30 days. */
export const verify = (text: string, now: number): Record.Result<Claim> =>
  Either.flatMap(decode(text), (signed) => {
    const { exp, senderSpk, ts } = signed.record
    if (ts > now + Record.maxSkew) return Record.fault("clock-skew")
    if (exp <= now) return Record.fault("expired")
    if (exp - now > Record.maxAhead) return Record.fault("too-far-future")
    return Record.signedBy(signed, senderSpk)
  })

/** `seed` (32 octets) must be the one of `claim.senderSpk`. */
export const sign = (claim: Claim, seed: Uint8Array): Record.Result<string> => {
  const { exp, msgId, senderDomain, senderSpk, slot, ts } = claim
  if (msgId.length !== 16 || senderSpk.length !== 32 || !Record.isTime(ts) || !Record.isTime(exp))
    return Record.fault("structure")
  if (!holds(claim)) return Record.fault("structure")
  const body = Octets.concat(
    Octets.text(magic),
    msgId,
    senderSpk,
    Octets.text8(senderDomain),
    Octets.u8(slot),
    Octets.time(ts),
    Octets.time(exp)
  )
  return Record.sealSigned("claim", body, senderSpk, seed, maxText)
}

const decode = (text: string): Record.Result<Record.Signed<Claim>> =>
  Either.flatMap(Record.open("claim", text, maxText, Base64.decodeStrict), (opened) => {
    const reader = new Octets.Reader(opened.body)
    const known = reader.magic(magic)
    const msgId = reader.bytes(16)
    const senderSpk = reader.bytes(32)
    const senderDomain = reader.text(reader.u8())
    const record = {
      msgId,
      senderSpk,
      senderDomain: senderDomain ?? "",
      slot: reader.u8(),
      ts: reader.time(),
      exp: reader.time()
    }
    return known && reader.finished && holds(record)
      ? Either.right({ ...opened, record })
      : Record.fault("structure")
  })

const holds = ({ exp, senderDomain, slot, ts }: Claim): boolean => {
  const octets = Buffer.byteLength(senderDomain)
  return (
    octets >= 1 &&
    octets <= 43 &&
    visible.test(senderDomain) &&
    Number.isInteger(slot) &&
    slot >= 0 &&
    slot <= 9 &&
    exp > ts
  )
}
