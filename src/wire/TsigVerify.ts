/** Judges a TSIG record (RFC 8945 §5.2): key, MAC, time, truncation, in this order. */
import { timingSafeEqual } from "node:crypto"
import { headerOctets, type Message } from "./Message.ts"
import { algorithms, fudgeSeconds, type Key, macOf, type TsigRecord } from "./Tsig.ts"

/** `key` is what answers must be signed with; `mac` is what they continue. */
export type TsigOutcome =
  | { readonly _tag: "Verified"; readonly key: Key; readonly mac: Buffer }
  | { readonly _tag: "BadKey" }
  | { readonly _tag: "BadSig" }
  | { readonly _tag: "BadTime"; readonly key: Key; readonly mac: Buffer }
  | { readonly _tag: "BadTrunc"; readonly key: Key; readonly mac: Buffer }
  | { readonly _tag: "Malformed"; readonly reason: string }

export interface VerifyOptions {
  /** Unix seconds. */
  readonly now: number
  /** The MAC of the request, when `message` is an answer to it. */
  readonly priorMac?: Uint8Array | undefined
  readonly timersOnly?: boolean | undefined
  /** Fewest MAC octets to be content with; without it only full MACs are. */
  readonly minMacOctets?: number | undefined
}

/** The message as it was when it was signed: original ID, one additional record less. */
export const unsignedParts = (
  message: Message,
  tsig: TsigRecord
): readonly [header: Buffer, rest: Buffer] => {
  const header = Buffer.from(message.bytes.subarray(0, headerOctets))
  header.writeUInt16BE(tsig.originalId, 0)
  header.writeUInt16BE(message.additionals.length - 1, 10)
  return [header, message.bytes.subarray(headerOctets, tsig.start)]
}

/**
 * Judges `tsig`, found in `message`, against the key of its name. A key of another algorithm
 * is no key (RFC 8945 §5.2.1). The signer's fudge counts up to `fudgeSeconds` only: a message
 * must not stay acceptable for longer than a replay guard remembers it.
 */
export const verify = (
  message: Message,
  tsig: TsigRecord,
  key: Key | undefined,
  options: VerifyOptions
): TsigOutcome => {
  if (key === undefined || tsig.keyName !== key.name || tsig.algorithm !== key.algorithm)
    return { _tag: "BadKey" }
  const full = algorithms[key.algorithm].octets
  // RFC 8945 §5.2.2.1: longer than the hash, or shorter than 10 octets or half of it.
  if (tsig.mac.length > full || tsig.mac.length < Math.max(10, full / 2))
    return { _tag: "Malformed", reason: "TSIG MAC length" }
  const expected = macOf(key, {
    priorMac: options.priorMac,
    message: unsignedParts(message, tsig),
    variables: tsig,
    timersOnly: options.timersOnly
  })
  if (!timingSafeEqual(expected.subarray(0, tsig.mac.length), tsig.mac)) return { _tag: "BadSig" }
  const proven = { key, mac: tsig.mac }
  const fudge = Math.min(tsig.fudge, fudgeSeconds)
  if (Math.abs(options.now - tsig.timeSigned) > fudge) return { _tag: "BadTime", ...proven }
  if (tsig.mac.length < (options.minMacOctets ?? full)) return { _tag: "BadTrunc", ...proven }
  return { _tag: "Verified", ...proven }
}
