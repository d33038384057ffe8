/**
 * Server cookies that every node with the same secret makes and understands (RFC 9018 §4).
 * Pure: time and address are given.
 */
import SipHash from "siphash"

/** Octets of a client cookie and of the server cookies made here. */
export const clientOctets = 8
export const serverOctets = 16

/** Sixteen octets as SipHash takes them. */
export type Secret = Uint32Array

const version = 1
// RFC 9018 §4.3, seconds.
const oldest = 3600
const furthestAhead = 300
const renewAfter = 1800

export const secretOctets = 16

/** `octets` are 16. */
export const secret = (octets: Buffer): Secret =>
  Uint32Array.from([0, 4, 8, 12], (at) => octets.readUInt32LE(at))

/**
 * Writes a server cookie at `at` into `out`, where the client cookie stands just before.
 * `address` is the client's, 4 or 16 octets; `now` in Unix seconds.
 */
export const mint = (
  out: Buffer,
  at: number,
  address: Uint8Array,
  now: number,
  key: Secret
): void => {
  out.writeUInt32BE(version << 24, at)
  out.writeUInt32BE(now >>> 0, at + 4)
  const { h, l } = hash(out, at, address, key)
  out.writeUInt32LE(l >>> 0, at + 8)
  out.writeUInt32LE(h >>> 0, at + 12)
}

/**
 * What a cookie from a client amounts to: `renew` is a good one that should be replaced soon.
 * `at` is where the server's part starts; the client's stands just before.
 */
export const verify = (
  message: Buffer,
  at: number,
  length: number,
  address: Uint8Array,
  now: number,
  keys: ReadonlyArray<Secret>
): "good" | "renew" | "bad" => {
  if (length !== serverOctets || message[at] !== version) return "bad"
  // RFC 1982: the difference of two 32-bit times, as a signed number.
  const age = (now - message.readUInt32BE(at + 4)) | 0
  if (age > oldest || age < -furthestAhead) return "bad"
  for (const key of keys) {
    const { h, l } = hash(message, at, address, key)
    // In constant time, as far as this language goes.
    const difference = (message.readUInt32LE(at + 8) ^ l) | (message.readUInt32LE(at + 12) ^ h)
    if (difference === 0) return key === keys[0] && age <= renewAfter ? "good" : "renew"
  }
  return "bad"
}

const v4 = Buffer.alloc(20)
const v6 = Buffer.alloc(32)

/** RFC 9018 §4.4: client cookie, version, reserved and time as they stand, then the address. */
const hash = (message: Buffer, at: number, address: Uint8Array, key: Secret) => {
  const input = address.length === 4 ? v4 : v6
  message.copy(input, 0, at - clientOctets, at + 8)
  input.set(address, 16)
  return SipHash.hash(key, input)
}
