/**
 * A group of row changes as the two JSON arrays that the store's statements read. Made by the
 * caller: a text crosses to the store thread at a fraction of what as many objects cost.
 */
import type { RowChange } from "../zone/RecordStore.ts"
import { valueHash } from "../zone/ValueHash.ts"

export interface Packed {
  /** `[name, value, ttl, created_at, expires_at, value_hash]` each; empty when there is none. */
  readonly puts: string
  /** `[name, value]` each; empty when there is none. */
  readonly removals: string
}

const array = (items: ReadonlyArray<unknown>): string =>
  items.length === 0 ? "" : JSON.stringify(items)

/** Each value's last change, in the order of those: what the group amounts to. */
export const pack = (changes: ReadonlyArray<RowChange>): Packed => {
  const last = new Map<string, RowChange>()
  for (const change of changes) {
    const { owner, value } = change._tag === "Put" ? change.row : change
    const key = `${owner}\n${value}`
    last.delete(key)
    last.set(key, change)
  }
  const puts: Array<ReadonlyArray<string | number>> = []
  const removals: Array<readonly [owner: string, value: string]> = []
  for (const change of last.values())
    if (change._tag === "Put") {
      const { createdAt, expiresAt, owner, ttl, value } = change.row
      puts.push([owner, value, ttl, createdAt, expiresAt, valueHash(value)])
    } else removals.push([change.owner, change.value])
  return { puts: array(puts), removals: array(removals) }
}
