/**
 * The TSIG record (RFC 8945): where it sits in a message, what it says, and the octets its
 * MAC covers. `TsigVerify` and `TsigSign` judge and make it.
 */
import { Either } from "effect"
import { createHmac, createSecretKey, type KeyObject } from "node:crypto"
import { rrClass, type } from "./Codes.ts"
import type { Message, ResourceRecord } from "./Message.ts"
import { nameOctets, readName, WireError } from "./WireName.ts"

/**
 * Algorithms by name, with the octets of a full MAC. RFC 8945 §6 also knows MD5 and SHA-1,
 * which it calls unfit for new keys: here they are unknown.
 */
export const algorithms = {
  "hmac-sha224": { hash: "sha224", octets: 28 },
  "hmac-sha256": { hash: "sha256", octets: 32 },
  "hmac-sha384": { hash: "sha384", octets: 48 },
  "hmac-sha512": { hash: "sha512", octets: 64 }
} as const

export type Algorithm = keyof typeof algorithms

export const isAlgorithm = (name: string): name is Algorithm => Object.hasOwn(algorithms, name)

const bad = (reason: string) => Either.left(new WireError({ reason }))

/** A shared secret and the one algorithm it is used with. */
export interface Key {
  /** Lower-cased text without a trailing dot, see `WireName`. */
  readonly name: string
  readonly algorithm: Algorithm
  readonly secret: Uint8Array
}

/** Refuses what could never be signed with: no such name, no such algorithm, no secret. */
export const makeKey = (
  name: string,
  algorithm: string,
  secret: Uint8Array
): Either.Either<Key, WireError> => {
  const known = algorithm.toLowerCase().replace(/\.$/, "")
  if (!isAlgorithm(known)) return bad("TSIG algorithm is not supported")
  if (secret.length === 0) return bad("TSIG secret is empty")
  return Either.map(nameOctets(name), () => ({
    name: name.toLowerCase().replace(/\.$/, ""),
    algorithm: known,
    secret
  }))
}

/** Seconds a clock may be off, as we sign and at most as we accept (RFC 8945 §10 recommends it). */
export const fudgeSeconds = 300

export interface TsigRecord {
  /** Lower-cased text without a trailing dot. */
  readonly keyName: string
  /** Lower-cased text without a trailing dot; not necessarily one we know. */
  readonly algorithm: string
  /** Unix seconds, 48 bits. */
  readonly timeSigned: number
  /** Seconds, as the signer chose. */
  readonly fudge: number
  readonly mac: Buffer
  readonly originalId: number
  readonly error: number
  readonly other: Buffer
  /** Where the record begins, so also where the signed message ends. */
  readonly start: number
}

const decode = (bytes: Buffer, record: ResourceRecord): Either.Either<TsigRecord, WireError> => {
  if (record.class !== rrClass.ANY || record.ttl !== 0) return bad("TSIG class or TTL")
  const limit = record.rdataEnd
  const algorithm = readName(bytes, record.rdataStart, { compressed: false, limit })
  if (algorithm instanceof WireError) return Either.left(algorithm)
  const fixed = algorithm.end
  if (fixed + 10 > limit) return bad("TSIG rdata is short")
  const macStart = fixed + 10
  const macEnd = macStart + bytes.readUInt16BE(fixed + 8)
  if (macEnd + 6 > limit) return bad("TSIG MAC runs past the end")
  const otherStart = macEnd + 6
  if (otherStart + bytes.readUInt16BE(macEnd + 4) !== limit) return bad("TSIG other data length")
  return Either.right({
    keyName: record.name,
    algorithm: algorithm.text,
    timeSigned: bytes.readUIntBE(fixed, 6),
    fudge: bytes.readUInt16BE(fixed + 6),
    mac: bytes.subarray(macStart, macEnd),
    originalId: bytes.readUInt16BE(macEnd),
    error: bytes.readUInt16BE(macEnd + 2),
    other: bytes.subarray(otherStart, limit),
    start: record.start
  })
}

/**
 * The message's TSIG record, if it has one. It must be the last of the additional section
 * and the only one (RFC 8945 §5.1).
 */
export const find = (message: Message): Either.Either<TsigRecord | undefined, WireError> => {
  const last = message.additionals.at(-1)
  const strayed = [...message.answers, ...message.authorities, ...message.additionals].some(
    (record) => record.type === type.TSIG && record !== last
  )
  if (strayed) return bad("TSIG is not the last record")
  if (last === undefined || last.type !== type.TSIG) return Either.right(undefined)
  return decode(message.bytes, last)
}

/** What a MAC covers besides the message, apart from the key (RFC 8945 §4.3.3). */
export interface TsigVariables {
  readonly timeSigned: number
  readonly fudge: number
  readonly error: number
  readonly other: Uint8Array
}

const timers = (variables: TsigVariables): Buffer => {
  const octets = Buffer.allocUnsafe(8)
  octets.writeUIntBE(variables.timeSigned, 0, 6)
  octets.writeUInt16BE(variables.fudge, 6)
  return octets
}

/** `named` are owner, class, TTL and algorithm. */
const allVariables = (
  named: Buffer,
  { error, fudge, other, timeSigned }: TsigVariables
): Buffer => {
  const octets = Buffer.allocUnsafe(named.length + 12 + other.length)
  octets.set(named)
  let at = octets.writeUIntBE(timeSigned, named.length, 6)
  at = octets.writeUInt16BE(fudge, at)
  at = octets.writeUInt16BE(error, at)
  at = octets.writeUInt16BE(other.length, at)
  octets.set(other, at)
  return octets
}

/** What every signature of one key needs: its names in canonical wire form, its secret as a handle. */
export interface Material {
  readonly owner: Buffer
  readonly algorithm: Buffer
  /** Owner, class ANY, TTL 0, algorithm (RFC 8945 §4.3.3). */
  readonly variables: Buffer
  readonly secret: KeyObject
}

const makeMaterial = (key: Key): Material => {
  const owner = Either.getOrThrow(nameOctets(key.name))
  const algorithm = Either.getOrThrow(nameOctets(key.algorithm))
  return {
    owner,
    algorithm,
    variables: Buffer.concat([owner, Buffer.from([0, rrClass.ANY, 0, 0, 0, 0]), algorithm]),
    secret: createSecretKey(key.secret)
  }
}

// A key signs many messages. Node takes 10 µs to turn raw octets into a key, four times as long
// as the signature itself (bench/update.ts).
const materials = new WeakMap<Key, Material>()

/** Made once for each key. */
export const materialOf = (key: Key): Material => {
  const known = materials.get(key)
  if (known !== undefined) return known
  const made = makeMaterial(key)
  materials.set(key, made)
  return made
}

export interface MacInput {
  /** The MAC this one continues: the request's, or the previous message's (RFC 8945 §5.3.1). */
  readonly priorMac?: Uint8Array | undefined
  /** Without its TSIG record, with the additional count and ID as before it was added. */
  readonly message: ReadonlyArray<Uint8Array>
  readonly variables: TsigVariables
  /** Later messages of one reply cover their times only. */
  readonly timersOnly?: boolean | undefined
}

/** The full-length MAC of `input` under `key`. */
export const macOf = (key: Key, input: MacInput): Buffer => {
  const { secret, variables: named } = materialOf(key)
  const hmac = createHmac(algorithms[key.algorithm].hash, secret)
  if (input.priorMac !== undefined) {
    const length = Buffer.allocUnsafe(2)
    length.writeUInt16BE(input.priorMac.length)
    hmac.update(length).update(input.priorMac)
  }
  for (const part of input.message) hmac.update(part)
  if (input.timersOnly === true) return hmac.update(timers(input.variables)).digest()
  return hmac.update(allVariables(named, input.variables)).digest()
}
