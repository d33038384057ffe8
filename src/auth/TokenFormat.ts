/**
 * How publish tokens look and how they are kept: only the SHA-256 of a token is ever
 * stored, so reading the token database yields no credential.
 */
import { Effect, Redacted } from "effect"
import { hash as digest, randomBytes } from "node:crypto"

const prefix = "dmp_v1_"
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
const shape = /^dmp_v1_[A-Z2-7]{52}$/

/** RFC 4648 §6 without padding. */
const base32 = (bytes: Uint8Array): string => {
  let text = ""
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((held >>> bits) & 31)
    }
  }
  return bits > 0 ? text + alphabet.charAt((held << (5 - bits)) & 31) : text
}

/** A new token over 32 random bytes. */
export const generate: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(prefix + base32(randomBytes(32)))
)

/** True for a token this node could have issued. */
export const isWellFormed = (token: string): boolean => shape.test(token)

/** The key a token is stored and looked up under: lower-case hex SHA-256 of its text. */
export const hash = (token: string): string => digest("sha256", token)
