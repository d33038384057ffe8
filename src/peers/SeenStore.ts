/**
 * Heartbeats of other nodes that this node has seen: one row per operator key and endpoint,
 * the newest; by which keys zones are known; and the public lists by which it looks for them.
 * Rows, no rules; plain data, so that an adapter may live on the store thread.
 * `layerMemory` is the reference; adapters pass `test/peers/SeenStoreSuite.ts`.
 */
import { Context, Effect, Layer } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"

export interface SeenRow {
  /** 64 lower-case hex digits. */
  readonly operatorSpkHex: string
  readonly endpoint: string
  /** The record's text, verbatim. */
  readonly wire: string
  /** Unix seconds, as signed. */
  readonly ts: number
  readonly exp: number
  readonly version: string
  /** Unix seconds, by our clock. */
  readonly receivedAt: number
  /** The zone it was read from; `seen:` before it when that zone only passed it on. */
  readonly source: string
}

/** A key that a zone has signed its own heartbeats with. */
export interface StoredPin {
  readonly zone: string
  /** 64 lower-case hex digits. */
  readonly operatorSpkHex: string
  /** Unix seconds. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** False while it only stands beside those that are trusted. */
  readonly pinned: boolean
}

/** A public list of zones as it was last read whole. */
export interface StoredSeedList {
  readonly url: string
  /** One zone a line. */
  readonly text: string
  /** Unix seconds. */
  readonly fetchedAt: number
}

export class SeenStore extends Context.Tag("dnsmesh/peers/SeenStore")<
  SeenStore,
  {
    /** Keeps each row unless a newer one (by `ts`) is there. */
    readonly put: (rows: ReadonlyArray<SeenRow>) => Effect.Effect<void, StoreError>
    /** At most `limit` rows with `exp > now` (s), newest first. */
    readonly recent: (
      now: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<SeenRow>, StoreError>
    readonly forget: (operatorSpkHex: string, endpoint: string) => Effect.Effect<void, StoreError>
    readonly pins: Effect.Effect<ReadonlyArray<StoredPin>, StoreError>
    /** Keeps one pin per zone and key. */
    readonly putPins: (pins: ReadonlyArray<StoredPin>) => Effect.Effect<void, StoreError>
    readonly removePins: (pins: ReadonlyArray<StoredPin>) => Effect.Effect<void, StoreError>
    /**
     * Removes rows with `exp <= before` (s), then, beyond `maxRows`, those passed on by others
     * before those read at their own zone, the longest unheard first.
     */
    readonly sweep: (before: number, maxRows: number) => Effect.Effect<number, StoreError>
    readonly seedLists: Effect.Effect<ReadonlyArray<StoredSeedList>, StoreError>
    /** Keeps one list per URL. */
    readonly saveSeedList: (list: StoredSeedList) => Effect.Effect<void, StoreError>
    readonly forgetSeedList: (url: string) => Effect.Effect<void, StoreError>
  }
>() {
  static readonly layerMemory = Layer.sync(SeenStore, () => {
    const rows = new Map<string, SeenRow>()
    const pins = new Map<string, StoredPin>()
    const pinKeyOf = ({ operatorSpkHex, zone }: StoredPin) => `${zone} ${operatorSpkHex}`
    const lists = new Map<string, StoredSeedList>()
    const keyOf = (spk: string, endpoint: string) => `${spk} ${endpoint}`
    const hearsay = ({ source }: SeenRow) => (source.startsWith("seen:") ? 0 : 1)
    return SeenStore.of({
      put: (incoming) =>
        Effect.sync(() => {
          for (const row of incoming) {
            const key = keyOf(row.operatorSpkHex, row.endpoint)
            if (row.ts >= (rows.get(key)?.ts ?? 0)) rows.set(key, row)
          }
        }),
      recent: (now, limit) =>
        Effect.sync(() =>
          [...rows.values()]
            .filter(({ exp }) => exp > now)
            .sort((a, b) => b.ts - a.ts)
            .slice(0, limit)
        ),
      forget: (spk, endpoint) => Effect.sync(() => void rows.delete(keyOf(spk, endpoint))),
      pins: Effect.sync(() => [...pins.values()]),
      putPins: (some) => Effect.sync(() => some.forEach((pin) => pins.set(pinKeyOf(pin), pin))),
      removePins: (some) => Effect.sync(() => some.forEach((pin) => pins.delete(pinKeyOf(pin)))),
      sweep: (before, maxRows) =>
        Effect.sync(() => {
          const size = rows.size
          for (const [key, { exp }] of rows) if (exp <= before) rows.delete(key)
          const excess = [...rows]
            .sort(([, a], [, b]) => hearsay(a) - hearsay(b) || a.receivedAt - b.receivedAt)
            .slice(0, Math.max(0, rows.size - maxRows))
          for (const [key] of excess) rows.delete(key)
          return size - rows.size
        }),
      seedLists: Effect.sync(() => [...lists.values()]),
      saveSeedList: (list) => Effect.sync(() => void lists.set(list.url, list)),
      forgetSeedList: (url) => Effect.sync(() => void lists.delete(url))
    })
  })
}
