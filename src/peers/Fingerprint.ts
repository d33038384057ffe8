/**
 * A digest of the whole store in 256 buckets by first octet of the value hash, for comparison
 * between nodes. Rows that are about to end, those that do not replicate and those of other
 * zones are left out, so two nodes that hold the same say the same.
 */
import { Effect } from "effect"
import { sha256 } from "../dmp/Ed25519.ts"
import type { DigestRow, RecordStore, StoreError } from "../zone/RecordStore.ts"
import * as SyncApi from "./SyncApi.ts"
import { turn } from "./Turn.ts"

const page = 2000
/** Seconds: clocks and copies may differ by some. */
const nearEnd = 120

/** Two-digit hex numbers, and for each count and exclusive or of its rows. */
export const of = (
  store: RecordStore["Type"],
  now: number,
  inZone: (owner: string) => boolean
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.gen(function* () {
    const counts = new Uint32Array(256)
    const sums = Buffer.alloc(256 * 8)
    let cursor = SyncApi.start
    while (true) {
      const rows = yield* store.digest(cursor, page, now)
      for (const row of rows) if (counted(row, now) && inZone(row.owner)) add(counts, sums, row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < page) break
      cursor = last
      yield* turn
    }
    return Array.from(
      counts,
      (count, bucket) => `${count}-${sums.toString("hex", bucket * 8, bucket * 8 + 8)}`
    )
  })

const counted = (row: DigestRow, now: number): boolean =>
  row.expiresAt - now > nearEnd && !row.owner.startsWith("_dnsmesh-")

const add = (counts: Uint32Array, sums: Buffer, row: DigestRow): void => {
  const bucket = Number.parseInt(row.valueHash.slice(0, 2), 16)
  const octets = sha256(Buffer.from(`${row.owner} ${row.valueHash}`))
  counts[bucket] = (counts[bucket] ?? 0) + 1
  for (let at = 0; at < 8; at++)
    sums[bucket * 8 + at] = (sums[bucket * 8 + at] ?? 0) ^ (octets[at] ?? 0)
}

/** The buckets in which two fingerprints differ, as two hex digits. */
export const differing = (
  ours: ReadonlyArray<string>,
  theirs: ReadonlyArray<string>
): ReadonlyArray<string> =>
  ours.flatMap((own, bucket) =>
    own === theirs[bucket] ? [] : [bucket.toString(16).padStart(2, "0")]
  )
