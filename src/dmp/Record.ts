/**
 * What every signed mesh record has in common: a text prefix, base64, a body and trailing
 * signatures. The prefix is not signed and two bodies share their magic, so a blob is never
 * read under another type's rules. Pure: the time is always an argument, in Unix seconds.
 */
import { Data, Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Ed25519 from "./Ed25519.ts"

/** The exact, case-sensitive text before the base64 of each record type. */
export const prefixes = {
  manifest: "v=dmp1;t=manifest;d=",
  identity: "v=dmp1;t=identity;d=",
  prekey: "v=dmp1;t=prekey;d=",
  chunk: "v=dmp1;t=chunk;d=",
  cluster: "v=dmp1;t=cluster;",
  bootstrap: "v=dmp1;t=bootstrap;",
  claim: "v=dmp1;t=claim;",
  rotation: "v=dmp1;t=rotation;",
  revocation: "v=dmp1;t=revocation;",
  heartbeat: "v=dmp1;t=heartbeat;"
} as const

export type RecordType = keyof typeof prefixes

const byPrefix: ReadonlyArray<readonly [string, RecordType]> = [
  [prefixes.chunk, "chunk"],
  [prefixes.manifest, "manifest"],
  [prefixes.claim, "claim"],
  [prefixes.prekey, "prekey"],
  [prefixes.identity, "identity"],
  [prefixes.heartbeat, "heartbeat"],
  [prefixes.cluster, "cluster"],
  [prefixes.bootstrap, "bootstrap"],
  [prefixes.rotation, "rotation"],
  [prefixes.revocation, "revocation"]
]

/** The record type `text` claims to be. */
export const typeOf = (text: string): RecordType | undefined =>
  text.startsWith("v=dmp1;t=")
    ? byPrefix.find(([prefix]) => text.startsWith(prefix))?.[1]
    : undefined

export const faultReasons = [
  "prefix",
  "too-long",
  "base64",
  "structure",
  "low-order-key",
  "signature",
  "signer-mismatch",
  "name-mismatch",
  "expired",
  "too-far-future",
  "clock-skew",
  "too-old"
] as const

export type FaultReason = (typeof faultReasons)[number]

/** Why a text is not the record it was taken for. */
export class RecordFault extends Data.TaggedError("RecordFault")<{
  readonly reason: FaultReason
}> {}

export type Result<A> = Either.Either<A, RecordFault>

// One instance per reason: hostile input must not cost a stack trace each time.
const faults = new Map<FaultReason, Result<never>>(
  faultReasons.map((reason) => [reason, Either.left(new RecordFault({ reason }))])
)

export const fault = (reason: FaultReason): Result<never> =>
  faults.get(reason) ?? Either.left(new RecordFault({ reason }))

/** The exact octets that signatures cover, and the signatures behind them. */
export interface Opened {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

export interface Signed<A> extends Opened {
  readonly record: A
}

/** Longest text of the six types written without `d=`. */
export const maxText = 1200

/** Seconds a signed expiry may lie ahead: 30 days, and five years for operators' records. */
export const maxAhead = 30 * 86_400
export const maxAheadOperator = 5 * 365 * 86_400

/** Seconds a signer's clock may run ahead of ours. */
export const maxSkew = 300

/** The decoded octets behind `type`'s prefix, split before the last `signatures` signatures. */
export const open = (
  type: RecordType,
  text: string,
  maxLength: number,
  decode: (text: string) => Uint8Array | undefined,
  signatures = 1
): Result<Opened> => {
  if (!text.startsWith(prefixes[type])) return fault("prefix")
  if (text.length > maxLength) return fault("too-long")
  const blob = decode(text.slice(prefixes[type].length))
  if (blob === undefined) return fault("base64")
  const end = blob.length - signatures * Ed25519.signatureLength
  if (end <= 0) return fault("structure")
  return Either.right({ body: blob.subarray(0, end), signature: blob.subarray(end) })
}

/** The text of a record, if it keeps to `maxLength`. */
export const seal = (type: RecordType, blob: Uint8Array, maxLength: number): Result<string> => {
  const text = prefixes[type] + Base64.encode(blob)
  return text.length > maxLength ? fault("too-long") : Either.right(text)
}

/** Signs `body` with `seed` (32 octets), whose public key must be `signer`. */
export const sealSigned = (
  type: RecordType,
  body: Uint8Array,
  signer: Uint8Array,
  seed: Uint8Array,
  maxLength: number
): Result<string> =>
  seed.length !== Ed25519.keyLength || Buffer.compare(Ed25519.publicKey(seed), signer) !== 0
    ? fault("signer-mismatch")
    : seal(type, Buffer.concat([body, Ed25519.sign(seed, body)]), maxLength)

/** The record, if its signature is `signer`'s. The dearest check: make it the last. */
export const signedBy = <A>(signed: Signed<A>, signer: Uint8Array): Result<A> => {
  if (Ed25519.isLowOrder(signer)) return fault("low-order-key")
  return Ed25519.verify(signer, signed.body, signed.signature)
    ? Either.right(signed.record)
    : fault("signature")
}

/** True for what can be written as a time: whole Unix seconds. */
export const isTime = (seconds: number): boolean => Number.isSafeInteger(seconds) && seconds >= 0
