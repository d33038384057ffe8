/**
 * Chunk: one block of a message behind a checksum, with Reed–Solomon parity. It carries no
 * signature; its manifest holds the hash that tells it from a planted one.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Ed25519 from "./Ed25519.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"
import * as ReedSolomon from "./ReedSolomon.ts"

export interface Chunk {
  /** First 8 octets of the SHA-256 of the data. */
  readonly checksum: Uint8Array
  /** Data and parity, in segments of at most 255 octets. */
  readonly coded: Uint8Array
}

/** Octets of data in every chunk clients write. */
export const blockLength = 128

const checksumLength = 8

/** What stands before a parameter no client writes any more. */
const parameter = ";m="

/** The parts of a chunk; nothing is decoded or compared. */
export const parse = (text: string): Record.Result<Chunk> => {
  const prefix = Record.prefixes.chunk
  if (!text.startsWith(prefix)) return Record.fault("prefix")
  const end = text.indexOf(parameter, prefix.length)
  const blob = Base64.decodeStrict(text.slice(prefix.length, end < 0 ? text.length : end))
  if (blob === undefined) return Record.fault("base64")
  return blob.length > checksumLength
    ? Either.right({
        checksum: blob.subarray(0, checksumLength),
        coded: blob.subarray(checksumLength)
      })
    : Record.fault("structure")
}

/** The data, if it can be restored and matches its checksum ("signature" when it does not). */
export const verify = (text: string): Record.Result<Uint8Array> =>
  Either.flatMap(parse(text), ({ checksum, coded }) => {
    const data = ReedSolomon.decode(coded)
    if (data === undefined) return Record.fault("structure")
    return Octets.equal(checksumOf(data), checksum) ? Either.right(data) : Record.fault("signature")
  })

/** The text of a chunk of 128 octets. */
export const encode = (block: Uint8Array): Record.Result<string> =>
  block.length === blockLength
    ? Either.right(
        Record.prefixes.chunk +
          Base64.encode(Octets.concat(checksumOf(block), block, ReedSolomon.parity(block)))
      )
    : Record.fault("structure")

const checksumOf = (data: Uint8Array): Uint8Array =>
  Ed25519.sha256(data).subarray(0, checksumLength)
