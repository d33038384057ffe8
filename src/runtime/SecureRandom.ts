/** Random octets nobody can guess. */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"

/** A bearer token of 256 bits, 43 characters that need no escaping anywhere. */
export const token: Effect.Effect<string> = Effect.sync(() => randomBytes(32).toString("base64url"))
