/**
 * Prekey: a one-time X25519 key, signed by its owner's identity key, which the record does not
 * carry. A node can therefore read one, but only who knows the identity can verify it.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface Prekey {
  /** 1 to 2^32 - 1. */
  readonly prekeyId: number
  readonly publicKey: Uint8Array
  readonly exp: number
}

/** Characters of the one length a prekey has: 108 octets. */
const maxText = Record.prefixes.prekey.length + 144

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<Prekey> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by `signer` and not valid for more than 30 days. It may be over. */
export const verify = (text: string, signer: Uint8Array, now: number): Record.Result<Prekey> =>
  Either.flatMap(decode(text), (signed) =>
    signed.record.exp - now > Record.maxAhead
      ? Record.fault("too-far-future")
      : Record.signedBy(signed, signer)
  )

/** Signs with the identity's `seed` (32 octets). */
export const sign = (
  prekey: Prekey,
  signer: Uint8Array,
  seed: Uint8Array
): Record.Result<string> => {
  const { exp, prekeyId, publicKey } = prekey
  if (prekeyId < 1 || prekeyId !== prekeyId >>> 0 || publicKey.length !== 32 || !Record.isTime(exp))
    return Record.fault("structure")
  const body = Octets.concat(Octets.u32(prekeyId), publicKey, Octets.time(exp))
  return Record.sealSigned("prekey", body, signer, seed, maxText)
}

const decode = (text: string): Record.Result<Record.Signed<Prekey>> =>
  Either.flatMap(Record.open("prekey", text, maxText, Base64.decodeStrict), (opened) => {
    const reader = new Octets.Reader(opened.body)
    const record = { prekeyId: reader.u32(), publicKey: reader.bytes(32), exp: reader.time() }
    return reader.finished && record.prekeyId > 0
      ? Either.right({ ...opened, record })
      : Record.fault("structure")
  })
