/**
 * A group of row changes as the store's statements read them: JSON arrays, since a text crosses to
 * the store thread at a fraction of what as many objects cost, and a row that comes alone by
 * itself. Made by the caller.
 */
import type { RowChange } from "../zone/RecordStore.ts"
import { valueHash } from "../zone/ValueHash.ts"

/** `[name, value, ttl, created_at, expires_at, value_hash]`. */
export type PutRow = readonly [string, string, number, number, number, string]

export interface Packed {
  /** When the changes are made, in ms. */
  readonly now: number
  /** The only row to put, or all of them as JSON; empty when there is none. */
  readonly puts: PutRow | string
  /** `[name, value]` each; empty when there is none. */
  readonly removals: string
}

const array = (items: ReadonlyArray<unknown>): string =>
  items.length === 0 ? "" : JSON.stringify(items)

const toRow = ({ row }: Extract<RowChange, { _tag: "Put" }>): PutRow => {
  const { createdAt, expiresAt, owner, ttl, value } = row
  return [owner, value, ttl, createdAt, expiresAt, valueHash(value)]
}

/** Each value's last change, in the order of those: what the group amounts to. */
export const pack = (changes: ReadonlyArray<RowChange>, now: number): Packed => {
  const [only, ...more] = changes
  if (only?._tag === "Put" && more.length === 0) return { now, puts: toRow(only), removals: "" }
  const last = new Map<string, RowChange>()
  for (const change of changes) {
    const { owner, value } = change._tag === "Put" ? change.row : change
    const key = `${owner}\n${value}`
    last.delete(key)
    last.set(key, change)
  }
  const puts: Array<PutRow> = []
  const removals: Array<readonly [owner: string, value: string]> = []
  for (const change of last.values())
    if (change._tag === "Put") puts.push(toRow(change))
    else removals.push([change.owner, change.value])
  return { now, puts: array(puts), removals: array(removals) }
}
