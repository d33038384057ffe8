/** Records that live as long as the process: the reference for `RecordStore`, and for tests. */
import { Clock, type Context, Effect, Stream } from "effect"
import type { DigestCursor, DigestRow, RecordStore, RowChange } from "./RecordStore.ts"
import type { StoredTxt } from "./TxtRecord.ts"
import { valueHash } from "./ValueHash.ts"

interface Kept {
  readonly row: StoredTxt
  readonly storedTs: number
  readonly hash: string
}

// UTF-8 byte order; the order of UTF-16 units differs above U+D7FF.
const compareText = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const toDigest = ({ row, storedTs, hash }: Kept): DigestRow => ({
  storedTs,
  owner: row.owner,
  valueHash: hash,
  expiresAt: row.expiresAt
})

const compareCursors = (a: DigestCursor, b: DigestCursor) =>
  a.storedTs - b.storedTs || compareText(a.owner, b.owner) || compareText(a.valueHash, b.valueHash)

const compareWrites = (a: Kept, b: Kept) =>
  compareText(a.row.owner, b.row.owner) || a.storedTs - b.storedTs

/** An empty store. */
export const make = (): Context.Tag.Service<typeof RecordStore> => {
  const kept = new Map<string, Kept>()
  const keyOf = (owner: string, value: string) => `${owner}\n${value}`
  let lastStored = 0

  const apply = (change: RowChange, now: number) => {
    if (change._tag === "Remove") return void kept.delete(keyOf(change.owner, change.value))
    const { row } = change
    lastStored = Math.max(lastStored + 1, now)
    kept.set(keyOf(row.owner, row.value), {
      row,
      storedTs: lastStored,
      hash: valueHash(row.value)
    })
  }
  const liveAt = (now: number) => [...kept.values()].filter(({ row }) => row.expiresAt > now)

  return {
    commit: (changes) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const change of changes) apply(change, now)
      }),
    live: (now) =>
      Stream.suspend(() => {
        const rows = liveAt(now).sort(compareWrites)
        return rows.length === 0 ? Stream.empty : Stream.make(rows.map(({ row }) => row))
      }),
    sweep: (now, limit) =>
      Effect.sync(() => {
        const over = [...kept]
          .filter(([, { row }]) => row.expiresAt <= now)
          .sort(([, a], [, b]) => a.row.expiresAt - b.row.expiresAt)
          .slice(0, limit)
        for (const [key] of over) kept.delete(key)
        return over.length
      }),
    digest: (after, limit, now) =>
      Effect.sync(() =>
        liveAt(now)
          .map(toDigest)
          .filter((row) => compareCursors(row, after) > 0)
          .sort(compareCursors)
          .slice(0, limit)
      ),
    rowsAt: (owners, now) =>
      Effect.sync(() => {
        const wanted = new Set<string>(owners)
        return liveAt(now)
          .filter(({ row }) => wanted.has(row.owner))
          .sort(compareWrites)
          .map(({ row }) => row)
      }),
    probe: Effect.void,
    usage: (now) =>
      Effect.sync(() => ({
        databaseBytes: 0,
        walBytes: 0,
        expiredRows: kept.size - liveAt(now).length
      }))
  }
}
