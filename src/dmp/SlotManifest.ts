/**
 * Slot manifest: announces a message to a mailbox. Since 0.7 it carries the hash of every
 * chunk; before, it ended at the expiry. Both forms are valid here.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface SlotManifest {
  /** 16 octets. */
  readonly msgId: Uint8Array
  readonly senderSpk: Uint8Array
  /** SHA-256 of the recipient's X25519 key. */
  readonly recipientId: Uint8Array
  /** 1 to 1024. */
  readonly totalChunks: number
  /** 1 to `totalChunks`. */
  readonly dataChunks: number
  /** 0 when no prekey was used. */
  readonly prekeyId: number
  readonly ts: number
  readonly exp: number
  /** SHA-256 of each chunk's 168 octets in index order; none in the form before 0.7. */
  readonly chunkHashes: ReadonlyArray<Uint8Array>
}

const fixed = 108
const maxChunks = 1024
const hashLength = 32

/** Characters of the longest manifest: 1024 chunks. */
export const maxText = 43_940

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<SlotManifest> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by its sender and not valid for more than 30 days. It may be over. */
export const verify = (text: string, now: number): Record.Result<SlotManifest> =>
  Either.flatMap(decode(text), (signed) =>
    signed.record.exp - now > Record.maxAhead
      ? Record.fault("too-far-future")
      : Record.signedBy(signed, signed.record.senderSpk)
  )

/** `seed` (32 octets) must be the one of `manifest.senderSpk`. */
export const sign = (manifest: SlotManifest, seed: Uint8Array): Record.Result<string> => {
  const { chunkHashes, dataChunks, exp, msgId, prekeyId, recipientId, senderSpk, totalChunks, ts } =
    manifest
  if (msgId.length !== 16 || senderSpk.length !== 32 || recipientId.length !== 32)
    return Record.fault("structure")
  if (!countsHold(totalChunks, dataChunks, chunkHashes.length) || prekeyId !== prekeyId >>> 0)
    return Record.fault("structure")
  if (chunkHashes.some((hash) => hash.length !== hashLength)) return Record.fault("structure")
  if (!Record.isTime(ts) || !Record.isTime(exp)) return Record.fault("structure")
  const body = Octets.concat(
    msgId,
    senderSpk,
    recipientId,
    Octets.u32(totalChunks),
    Octets.u32(dataChunks),
    Octets.u32(prekeyId),
    Octets.time(ts),
    Octets.time(exp),
    ...chunkHashes
  )
  return Record.sealSigned("manifest", body, senderSpk, seed, maxText)
}

const decode = (text: string): Record.Result<Record.Signed<SlotManifest>> =>
  Either.flatMap(Record.open("manifest", text, maxText, Base64.decodeLenient), (opened) => {
    const reader = new Octets.Reader(opened.body)
    const head = {
      msgId: reader.bytes(16),
      senderSpk: reader.bytes(32),
      recipientId: reader.bytes(32),
      totalChunks: reader.u32(),
      dataChunks: reader.u32(),
      prekeyId: reader.u32(),
      ts: reader.time(),
      exp: reader.time()
    }
    const hashes = (opened.body.length - fixed) / hashLength
    if (!countsHold(head.totalChunks, head.dataChunks, hashes)) return Record.fault("structure")
    const chunkHashes = Array.from({ length: hashes }, () => reader.bytes(hashLength))
    return reader.finished
      ? Either.right({ ...opened, record: { ...head, chunkHashes } })
      : Record.fault("structure")
  })

const countsHold = (total: number, data: number, hashes: number): boolean =>
  Number.isInteger(total) &&
  Number.isInteger(data) &&
  total >= 1 &&
  total <= maxChunks &&
  data >= 1 &&
  data <= total &&
  (hashes === 0 || hashes === total)
