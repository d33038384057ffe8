/** Rotation: a key hands over to its successor, and both sign. */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Ed25519 from "./Ed25519.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"
import * as Subject from "./Subject.ts"

export interface Rotation {
  readonly subject: Subject.Subject
  readonly oldSpk: Uint8Array
  /** Not `oldSpk`. */
  readonly newSpk: Uint8Array
  /** A full u64. */
  readonly seq: bigint
  readonly ts: number
  readonly exp: number
}

const magic = "DMPROT1"

/** The record without a look at its signatures or at the clock. */
export const parse = (text: string): Record.Result<Rotation> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by both keys, not over and not above five years. */
export const verify = (text: string, now: number): Record.Result<Rotation> =>
  Either.flatMap(decode(text), ({ body, record, signature }) => {
    if (record.exp < now) return Record.fault("expired")
    if (record.exp - now > Record.maxAheadOperator) return Record.fault("too-far-future")
    const half = Ed25519.signatureLength
    return Either.flatMap(
      Record.signedBy({ record, body, signature: signature.subarray(0, half) }, record.oldSpk),
      () => Record.signedBy({ record, body, signature: signature.subarray(half) }, record.newSpk)
    )
  })

/** The seeds (32 octets) must be those of `rotation.oldSpk` and `rotation.newSpk`. */
export const sign = (
  rotation: Rotation,
  oldSeed: Uint8Array,
  newSeed: Uint8Array
): Record.Result<string> => {
  const { exp, newSpk, oldSpk, seq, ts } = rotation
  const subject = Subject.write(rotation.subject)
  if (subject === undefined || oldSpk.length !== 32 || newSpk.length !== 32)
    return Record.fault("structure")
  if (Octets.equal(oldSpk, newSpk) || seq !== BigInt.asUintN(64, seq))
    return Record.fault("structure")
  if (!Record.isTime(ts) || !Record.isTime(exp)) return Record.fault("structure")
  if (!belongs(oldSeed, oldSpk) || !belongs(newSeed, newSpk)) return Record.fault("signer-mismatch")
  const body = Octets.concat(
    Octets.text(magic),
    subject,
    oldSpk,
    newSpk,
    Octets.u64(seq),
    Octets.time(ts),
    Octets.time(exp)
  )
  return Record.seal(
    "rotation",
    Octets.concat(body, Ed25519.sign(oldSeed, body), Ed25519.sign(newSeed, body)),
    Record.maxText
  )
}

const decode = (text: string): Record.Result<Record.Signed<Rotation>> =>
  Either.flatMap(
    Record.open("rotation", text, Record.maxText, Base64.decodeStrict, 2),
    (opened) => {
      const reader = new Octets.Reader(opened.body)
      if (!reader.magic(magic)) return Record.fault("structure")
      const subject = Subject.read(reader)
      const oldSpk = reader.bytes(32)
      const newSpk = reader.bytes(32)
      const seq = reader.u64()
      const ts = reader.time()
      const exp = reader.time()
      return reader.finished && subject !== undefined && !Octets.equal(oldSpk, newSpk)
        ? Either.right({ ...opened, record: { subject, oldSpk, newSpk, seq, ts, exp } })
        : Record.fault("structure")
    }
  )

const belongs = (seed: Uint8Array, key: Uint8Array): boolean =>
  seed.length === Ed25519.keyLength && Octets.equal(Ed25519.publicKey(seed), key)
