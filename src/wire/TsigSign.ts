/** Adds TSIG records to messages: requests, answers, their later parts, and refusals (RFC 8945 §5.3). */
import { Either } from "effect"
import { rrClass, type } from "./Codes.ts"
import {
  algorithms,
  fudgeSeconds,
  type Key,
  macOf,
  materialOf,
  type TsigVariables
} from "./Tsig.ts"
import { nameOctets, type WireError } from "./WireName.ts"

export interface SignOptions {
  /** Unix seconds: now, except in a BADTIME answer, which repeats the request's time and fudge. */
  readonly timeSigned: number
  readonly fudge?: number | undefined
  /** The MAC this message continues; none for a request. */
  readonly priorMac?: Uint8Array | undefined
  readonly timersOnly?: boolean | undefined
  readonly error?: number | undefined
  readonly other?: Uint8Array | undefined
}

export interface Signed {
  readonly bytes: Buffer
  /** What the next message of the exchange continues. */
  readonly mac: Buffer
}

interface RecordParts {
  readonly owner: Uint8Array
  readonly algorithm: Uint8Array
  readonly variables: TsigVariables
  readonly mac: Uint8Array
}

const append = (message: Buffer, parts: RecordParts): Buffer => {
  const { algorithm, mac, owner, variables } = parts
  const rdataOctets = algorithm.length + 16 + mac.length + variables.other.length
  const out = Buffer.allocUnsafe(message.length + owner.length + 10 + rdataOctets)
  message.copy(out)
  out.writeUInt16BE(message.readUInt16BE(10) + 1, 10)
  out.set(owner, message.length)
  let at = message.length + owner.length
  at = out.writeUInt16BE(type.TSIG, at)
  at = out.writeUInt16BE(rrClass.ANY, at)
  at = out.writeUInt32BE(0, at)
  at = out.writeUInt16BE(rdataOctets, at)
  out.set(algorithm, at)
  at = out.writeUIntBE(variables.timeSigned, at + algorithm.length, 6)
  at = out.writeUInt16BE(variables.fudge, at)
  at = out.writeUInt16BE(mac.length, at)
  out.set(mac, at)
  at = out.writeUInt16BE(message.readUInt16BE(0), at + mac.length)
  at = out.writeUInt16BE(variables.error, at)
  at = out.writeUInt16BE(variables.other.length, at)
  out.set(variables.other, at)
  return out
}

/** Octets the TSIG record of `key` adds to a message, so that room can be kept for it. */
export const overhead = (key: Key, otherOctets = 0): number => {
  const { algorithm, owner } = materialOf(key)
  return owner.length + algorithm.length + 26 + algorithms[key.algorithm].octets + otherOctets
}

const none = Buffer.alloc(0)

/** Signs `message`, which has no TSIG record yet. */
export const sign = (message: Buffer, key: Key, options: SignOptions): Signed => {
  const variables: TsigVariables = {
    timeSigned: options.timeSigned,
    fudge: options.fudge ?? fudgeSeconds,
    error: options.error ?? 0,
    other: options.other ?? none
  }
  const mac = macOf(key, {
    priorMac: options.priorMac,
    message: [message],
    variables,
    timersOnly: options.timersOnly
  })
  const { algorithm, owner } = materialOf(key)
  return { bytes: append(message, { owner, algorithm, variables, mac }), mac }
}

/**
 * Adds the record that says why a request was not accepted when there is no key to say it
 * with: BADKEY and BADSIG carry an empty MAC (RFC 8945 §5.3.2). Key name and algorithm are
 * the request's.
 */
export const refuse = (
  message: Buffer,
  request: { readonly keyName: string; readonly algorithm: string },
  options: { readonly timeSigned: number; readonly error: number }
): Either.Either<Buffer, WireError> =>
  Either.map(
    Either.all([nameOctets(request.keyName), nameOctets(request.algorithm)]),
    ([owner, algorithm]) =>
      append(message, {
        owner,
        algorithm,
        mac: none,
        variables: {
          timeSigned: options.timeSigned,
          fudge: fudgeSeconds,
          error: options.error,
          other: none
        }
      })
  )

/**
 * Signs the messages of one answer in their order: the first continues the request, each
 * later one its predecessor and covers its times only (RFC 8945 §5.3.1).
 */
export const sequence = (
  key: Key,
  requestMac: Uint8Array
): ((message: Buffer, timeSigned: number) => Buffer) => {
  let priorMac = requestMac
  let timersOnly = false
  return (message, timeSigned) => {
    const signed = sign(message, key, { timeSigned, priorMac, timersOnly })
    priorMac = signed.mac
    timersOnly = true
    return signed.bytes
  }
}
