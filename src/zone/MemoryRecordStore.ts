/** Records that live as long as the process: the reference for `RecordStore`, and for tests. */
import { Clock, type Context, Effect, Stream } from "effect"
import { LiveZone } from "./LiveZone.ts"
import type { DigestCursor, DigestRow, LiveRow, RecordStore, RowChange } from "./RecordStore.ts"
import type { StoredTxt } from "./TxtRecord.ts"
import { valueHash } from "./ValueHash.ts"

interface Kept {
  readonly row: StoredTxt
  readonly digest: DigestRow
}

// UTF-8 byte order; the order of UTF-16 units differs above U+D7FF.
const compareText = (a: string, b: string) =>
  a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))

const compareCursors = (a: DigestCursor, b: DigestCursor) =>
  a.storedTs - b.storedTs || compareText(a.owner, b.owner) || compareText(a.valueHash, b.valueHash)

const compareWrites = (a: Kept, b: Kept) =>
  compareText(a.row.owner, b.row.owner) || a.digest.storedTs - b.digest.storedTs

/** Where the first of `sorted` after `cursor` stands. */
const firstAfter = (sorted: ReadonlyArray<DigestRow>, cursor: DigestCursor): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const row = sorted[middle]
    if (row !== undefined && compareCursors(row, cursor) > 0) high = middle
    else low = middle + 1
  }
  return low
}

/** An empty store. */
export const make = (): Context.Tag.Service<typeof RecordStore> => {
  /** By owner, then by value. */
  const kept = new Map<string, Map<string, Kept>>()
  let lastStored = 0
  let serialMark: number | undefined
  /** All rows in sync order; made when it is asked for, gone with the next change. */
  let sorted: ReadonlyArray<DigestRow> | undefined

  const all = () => [...kept.values()].flatMap((values) => [...values.values()])
  const remove = (owner: string, value: string) => {
    const values = kept.get(owner)
    values?.delete(value)
    if (values?.size === 0) kept.delete(owner)
  }
  const apply = (change: RowChange) => {
    if (change._tag === "Remove") return remove(change.owner, change.value)
    const { row } = change
    const { expiresAt, owner, value } = row
    const digest = { storedTs: lastStored, owner, valueHash: valueHash(value), expiresAt }
    const values = kept.get(owner)
    if (values === undefined) kept.set(owner, new Map([[value, { row, digest }]]))
    else values.set(value, { row, digest })
  }
  const liveAt = (now: number) =>
    all()
      .filter(({ row }) => row.expiresAt > now)
      .sort((a, b) => a.digest.storedTs - b.digest.storedTs)

  return {
    commit: (changes) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (changes.some(({ _tag }) => _tag === "Put")) lastStored = Math.max(lastStored + 1, now)
        sorted = undefined
        changes.forEach(apply)
      }),
    live: (now) =>
      Stream.suspend(() => {
        const rows = liveAt(now)
        return rows.length === 0
          ? Stream.empty
          : Stream.make(rows.map(({ row }): LiveRow => [row.owner, row.value, row.expiresAt]))
      }),
    fill: (memory, now) =>
      Effect.sync(() => {
        const zone = new LiveZone(now, memory)
        for (const { row } of liveAt(now)) zone.load(row.owner, row.value, row.expiresAt)
      }),
    sweep: (now, limit) =>
      Effect.sync(() => {
        sorted = undefined
        const over = all()
          .filter(({ row }) => row.expiresAt <= now)
          .sort((a, b) => a.row.expiresAt - b.row.expiresAt)
          .slice(0, limit)
        for (const { row } of over) remove(row.owner, row.value)
        return over.length
      }),
    digest: (after, limit, now) =>
      Effect.sync(() => {
        sorted ??= all()
          .map(({ digest }) => digest)
          .sort(compareCursors)
        const page: Array<DigestRow> = []
        for (let at = firstAfter(sorted, after); page.length < limit; at++) {
          const row = sorted[at]
          if (row === undefined) break
          if (row.expiresAt > now) page.push(row)
        }
        return page
      }),
    rowsAt: (owners, now) =>
      Effect.sync(() =>
        [...new Set<string>(owners)]
          .flatMap((owner) => [...(kept.get(owner)?.values() ?? [])])
          .filter(({ row }) => row.expiresAt > now)
          .sort(compareWrites)
          .map(({ row }) => row)
      ),
    newest: Effect.sync(() => lastStored),
    restamp: (to, limit) =>
      Effect.sync(() => {
        sorted = undefined
        const later = all()
          .filter(({ digest }) => digest.storedTs > to)
          .sort((a, b) => compareCursors(a.digest, b.digest))
          .slice(0, limit)
        for (const { digest, row } of later)
          kept.get(row.owner)?.set(row.value, { row, digest: { ...digest, storedTs: to } })
        if (later.length === 0) lastStored = Math.min(lastStored, to)
        return later.length
      }),
    serialMark: Effect.sync(() => serialMark),
    markSerial: (serial) =>
      Effect.sync(() => {
        serialMark = serial
      }),
    probe: Effect.void,
    usage: (now) =>
      Effect.sync(() => {
        const rows = all()
        return {
          databaseBytes: 0,
          walBytes: 0,
          expiredRows: rows.length - rows.filter(({ row }) => row.expiresAt > now).length
        }
      })
  }
}
