/** TXT data as the zone sees it: text values with a lifetime. Times are whole Unix seconds. */
import type { Name } from "../wire/Name.ts"

/** One TXT value to be published at an owner name. `ttl` in seconds. */
export interface TxtRecord {
  readonly owner: Name
  readonly value: string
  readonly ttl: number
}

/** A value as it is kept. It is live while `expiresAt > now`, in whole seconds. */
export interface StoredTxt extends TxtRecord {
  /** When it was last written. */
  readonly createdAt: number
  readonly expiresAt: number
}
