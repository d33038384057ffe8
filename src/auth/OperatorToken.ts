/** The operator's bearer token. Comparing takes the same time whatever is presented. */
import { hash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

const digest = (octets: Buffer): Buffer => hash("sha256", octets, "buffer")

/**
 * Decides whether presented octets are the token. Both sides are hashed first, so that
 * neither the length nor a common beginning shows in the time taken.
 */
export const matcher = (token: Redacted.Redacted<string>): ((presented: Buffer) => boolean) => {
  const expected = digest(Buffer.from(Redacted.value(token), "utf8"))
  return (presented) => timingSafeEqual(digest(presented), expected)
}
