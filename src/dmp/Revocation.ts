/** Revocation: a key declares itself dead. It is signed by that key and never expires. */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"
import * as Subject from "./Subject.ts"

/** On the wire 1 to 4. */
export const reasons = ["compromise", "routine", "lost", "other"] as const

export interface Revocation {
  readonly subject: Subject.Subject
  readonly revokedSpk: Uint8Array
  readonly reason: (typeof reasons)[number]
  readonly ts: number
}

export interface Expectations {
  /** The key that must be the one revoked. */
  readonly revokedSpk?: Uint8Array
  /** Oldest `ts` accepted, in seconds before now. */
  readonly maxAge?: number
}

const magic = "DMPRV01"

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<Revocation> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by the key it revokes and not from the future. */
export const verify = (
  text: string,
  now: number,
  expected: Expectations = {}
): Record.Result<Revocation> =>
  Either.flatMap(decode(text), (signed) => {
    const { revokedSpk, ts } = signed.record
    if (ts > now + Record.maxSkew) return Record.fault("clock-skew")
    if (expected.maxAge !== undefined && now - ts > expected.maxAge) return Record.fault("too-old")
    if (expected.revokedSpk !== undefined && !Octets.equal(revokedSpk, expected.revokedSpk))
      return Record.fault("signer-mismatch")
    return Record.signedBy(signed, revokedSpk)
  })

/** `seed` (32 octets) must be the one of `revocation.revokedSpk`. */
export const sign = (revocation: Revocation, seed: Uint8Array): Record.Result<string> => {
  const { reason, revokedSpk, ts } = revocation
  const subject = Subject.write(revocation.subject)
  if (subject === undefined || revokedSpk.length !== 32 || !Record.isTime(ts))
    return Record.fault("structure")
  const body = Octets.concat(
    Octets.text(magic),
    subject,
    revokedSpk,
    Octets.u8(reasons.indexOf(reason) + 1),
    Octets.time(ts)
  )
  return Record.sealSigned("revocation", body, revokedSpk, seed, Record.maxText)
}

const decode = (text: string): Record.Result<Record.Signed<Revocation>> =>
  Either.flatMap(Record.open("revocation", text, Record.maxText, Base64.decodeStrict), (opened) => {
    const reader = new Octets.Reader(opened.body)
    if (!reader.magic(magic)) return Record.fault("structure")
    const subject = Subject.read(reader)
    const revokedSpk = reader.bytes(32)
    const reason = reasons[reader.u8() - 1]
    const ts = reader.time()
    return reader.finished && subject !== undefined && reason !== undefined
      ? Either.right({ ...opened, record: { subject, revokedSpk, reason, ts } })
      : Record.fault("structure")
  })
