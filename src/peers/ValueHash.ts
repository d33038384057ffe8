/** How peers name a value without sending it. */
import { sha256 } from "../dmp/Ed25519.ts"

/** Lower-case hex SHA-256 of the value's UTF-8 octets. */
export const valueHash = (value: string): string =>
  Buffer.from(sha256(Buffer.from(value))).toString("hex")
