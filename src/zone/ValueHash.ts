/** What names a value in the sync order, so that peers can compare holdings without sending them. */
import { hash } from "node:crypto"

/** Lower-case hex SHA-256 of the UTF-8 value. */
export const valueHash = (value: string): string => hash("sha256", value, "hex")
