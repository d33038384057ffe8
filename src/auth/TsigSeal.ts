/**
 * Seals TSIG secrets, which must be kept as they are to be used, with a key that is kept
 * elsewhere (AES-256-GCM). Invariant: a sealed secret opens under its own key name only, and
 * a row sealed or not is told apart by its first octets.
 */
import { Option } from "effect"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { canonicalName } from "./TsigKey.ts"

/** 32 octets. */
export type SealKey = Uint8Array

// Secrets are random: one that began like this by chance would be the first of 2^64.
const mark = Buffer.from("dmpseal1")
const nonceOctets = 12
const tagOctets = 16
const cipher = "aes-256-gcm"

/** 64 hex digits. */
export const parseKey = (text: string): Option.Option<SealKey> =>
  /^[0-9a-fA-F]{64}$/.test(text) ? Option.some(Buffer.from(text, "hex")) : Option.none()

export const isSealed = (secret: Uint8Array): boolean =>
  secret.length > mark.length + nonceOctets + tagOctets &&
  mark.equals(secret.subarray(0, mark.length))

/** `secret` as it may lie in a backup: mark, nonce, ciphertext, tag. */
export const seal = (secret: Uint8Array, name: string, key: SealKey): Uint8Array => {
  const nonce = randomBytes(nonceOctets)
  const sealing = createCipheriv(cipher, key, nonce).setAAD(Buffer.from(canonicalName(name)))
  const sealed = Buffer.concat([sealing.update(secret), sealing.final()])
  return Uint8Array.from(Buffer.concat([mark, nonce, sealed, sealing.getAuthTag()]))
}

/** The secret, if it was sealed under this name with this key. */
export const unseal = (
  sealed: Uint8Array,
  name: string,
  key: SealKey
): Option.Option<Uint8Array> => {
  const nonce = sealed.subarray(mark.length, mark.length + nonceOctets)
  const body = sealed.subarray(mark.length + nonceOctets, sealed.length - tagOctets)
  const opening = createDecipheriv(cipher, key, nonce)
    .setAAD(Buffer.from(canonicalName(name)))
    .setAuthTag(sealed.subarray(sealed.length - tagOctets))
  return Option.liftThrowable(() =>
    Uint8Array.from(Buffer.concat([opening.update(body), opening.final()]))
  )()
}
