/**
 * X25519 (RFC 7748) and the proof a registrant gives that it holds the key it names: an HMAC
 * under the secret shared with a key of ours made for that one challenge.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  timingSafeEqual
} from "node:crypto"
import { Option } from "effect"

// RFC 8410: the fixed DER heads before a raw private and a raw public key.
const pkcs8Head = Buffer.from("302e020100300506032b656e04220420", "hex")
const spkiHead = Buffer.from("302a300506032b656e032100", "hex")

const privateObject = (raw: Uint8Array) =>
  createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: "der", type: "pkcs8" })
const publicObject = (raw: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: "der", type: "spki" })

/** The 32-octet public key of 32 private octets. */
export const publicKey = (privateKey: Uint8Array): Uint8Array =>
  createPublicKey(privateObject(privateKey))
    .export({ format: "der", type: "spki" })
    .subarray(spkiHead.length)

/** The shared secret; none for a public key of low order, whose secret everybody knows. */
export const sharedSecret = (privateKey: Uint8Array, peer: Uint8Array): Option.Option<Uint8Array> =>
  Option.liftThrowable(() =>
    diffieHellman({ privateKey: privateObject(privateKey), publicKey: publicObject(peer) })
  )()

/** What proves possession of `claimed` to whoever shares `secret` with it. */
export const proof = (
  secret: Uint8Array,
  challenge: Uint8Array,
  subject: string,
  claimed: Uint8Array
): Uint8Array =>
  createHmac("sha256", secret).update(challenge).update(subject).update(claimed).digest()

export const proves = (given: Uint8Array, expected: Uint8Array): boolean =>
  given.length === expected.length && timingSafeEqual(given, expected)
