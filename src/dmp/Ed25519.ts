/**
 * Ed25519 (RFC 8032) as every mesh record uses it, and the SHA-256 of its labels and
 * checksums. Invariant: a key of small order, which would pass any message, verifies none.
 */
import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign as signWith,
  verify as verifyWith
} from "node:crypto"

export const keyLength = 32
export const signatureLength = 64

// RFC 8410 §10: the fixed DER heads before a raw public key and a raw seed.
const spkiHead = Buffer.from("302a300506032b6570032100", "hex")
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex")

// Points of small order and non-canonical encodings of them, sign bit of the last octet cleared.
const lowOrder: ReadonlySet<string> = new Set([
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
])

/** True for the 14 encodings no signer may have, and for keys of a wrong length. */
export const isLowOrder = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== keyLength) return true
  const octets = Buffer.from(publicKey)
  octets[31] = octets[31]! & 0x7f
  return lowOrder.has(octets.toString("hex"))
}

/**
 * True when `signature` (64 octets) over `message` is `publicKey`'s (32 octets): cofactorless,
 * S below the group order, R compared octet by octet. Costs some 75 to 100 µs.
 */
export const verify = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): boolean =>
  signature.length === signatureLength &&
  !isLowOrder(publicKey) &&
  verifyWith(null, message, publicKeyObject(publicKey), signature)

/** The 64-octet signature over `message`. `seed` has 32 octets. */
export const sign = (seed: Uint8Array, message: Uint8Array): Uint8Array =>
  signWith(null, message, privateKeyObject(seed))

/** The 32-octet public key of a 32-octet seed. */
export const publicKey = (seed: Uint8Array): Uint8Array =>
  createPublicKey(privateKeyObject(seed))
    .export({ format: "der", type: "spki" })
    .subarray(spkiHead.length)

export const sha256 = (message: Uint8Array): Uint8Array => hash("sha256", message, "buffer")

// Keys last verified with: signers come in runs, and to read a key takes a quarter of the time
// a signature takes.
const knownKeys = new Map<string, KeyObject>()
const maxKnownKeys = 256

const publicKeyObject = (raw: Uint8Array): KeyObject => {
  const id = Buffer.from(raw).toString("latin1")
  const known = knownKeys.get(id)
  if (known !== undefined) return known
  const key = createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: "der", type: "spki" })
  if (knownKeys.size === maxKnownKeys) {
    const [oldest] = knownKeys.keys()
    if (oldest !== undefined) knownKeys.delete(oldest)
  }
  knownKeys.set(id, key)
  return key
}

const privateKeyObject = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: "der", type: "pkcs8" })
