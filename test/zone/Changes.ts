/** Changes of rows as tests of the live zone make them. */
import { unsafeMake } from "../../src/wire/Name.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"

export const put = (owner: string, value: string, expiresAt = 1000): RowChange => ({
  _tag: "Put",
  row: { owner: unsafeMake(owner), value, ttl: 1, createdAt: 0, expiresAt }
})

export const remove = (owner: string, value: string): RowChange => ({
  _tag: "Remove",
  owner: unsafeMake(owner),
  value
})
