/** Identity: a user name bound to its two keys, signed by the second. It never expires. */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface Identity {
  readonly username: string
  readonly x25519Pk: Uint8Array
  readonly ed25519Spk: Uint8Array
  /** When it was signed, Unix seconds. */
  readonly ts: number
  /** Protocol versions spoken, strictly ascending. */
  readonly versions: ReadonlyArray<number>
}

// 612 characters are the longest canonical text; readers skip foreign characters within it.
const maxText = 2048

/** The record without a look at its signature. */
export const parse = (text: string): Record.Result<Identity> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by the key it carries. */
export const verify = (text: string): Record.Result<Identity> =>
  Either.flatMap(decode(text), (signed) => Record.signedBy(signed, signed.record.ed25519Spk))

/** `seed` (32 octets) must be the one of `identity.ed25519Spk`. */
export const sign = (identity: Identity, seed: Uint8Array): Record.Result<string> => {
  const { ed25519Spk, ts, username, versions, x25519Pk } = identity
  const length = Buffer.byteLength(username)
  if (length < 1 || length > 64 || x25519Pk.length !== 32 || ed25519Spk.length !== 32)
    return Record.fault("structure")
  if (!Record.isTime(ts) || versions.length > 255 || !ascending(versions))
    return Record.fault("structure")
  const body = Octets.concat(
    Octets.text8(username),
    x25519Pk,
    ed25519Spk,
    Octets.time(ts),
    // Readers before 0.7.5 know no suffix, so version 1 alone is left unsaid.
    versions.length === 1 && versions[0] === 1
      ? new Uint8Array()
      : Octets.concat(Octets.u8(versions.length), Uint8Array.from(versions))
  )
  return Record.sealSigned("identity", body, ed25519Spk, seed, maxText)
}

/** True when `newer` says the same as `older` at a later time. */
export const supersedes = (newer: Identity, older: Identity): boolean =>
  newer.ts > older.ts &&
  newer.username === older.username &&
  Octets.equal(newer.x25519Pk, older.x25519Pk) &&
  Octets.equal(newer.ed25519Spk, older.ed25519Spk)

const decode = (text: string): Record.Result<Record.Signed<Identity>> =>
  Either.flatMap(Record.open("identity", text, maxText, Base64.decodeLenient), (opened) => {
    const reader = new Octets.Reader(opened.body)
    const length = reader.u8()
    const username = reader.text(length)
    const x25519Pk = reader.bytes(32)
    const ed25519Spk = reader.bytes(32)
    const ts = reader.time()
    const versions = reader.exhausted ? [1] : [...reader.bytes(reader.u8())]
    return reader.finished &&
      length >= 1 &&
      length <= 64 &&
      username !== undefined &&
      ascending(versions)
      ? Either.right({ ...opened, record: { username, x25519Pk, ed25519Spk, ts, versions } })
      : Record.fault("structure")
  })

const ascending = (versions: ReadonlyArray<number>): boolean =>
  versions.length > 0 &&
  versions.every((version, at) => version > (versions[at - 1] ?? -1) && version <= 255)
