/** Random octets nobody can guess. */
import { Effect } from "effect"
import { randomBytes, randomInt } from "node:crypto"

/** A bearer token of 256 bits, 43 characters that need no escaping anywhere. */
export const token: Effect.Effect<string> = Effect.sync(() => randomBytes(32).toString("base64url"))

/** A message ID (RFC 5452 §4.3). Synchronous, for the packet path. */
export const unsafeUint16 = (): number => randomInt(0x1_0000)

/** A secret of `size` octets that lives as long as the process. */
export const unsafeOctets = (size: number): Buffer => randomBytes(size)
