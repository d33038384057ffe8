/** The query of `GET /v1/sync/digest`, checked in the order and with the words of released nodes. */
import { Either, Option } from "effect"
import type * as Name from "../wire/Name.ts"
import type { DigestCursor } from "../zone/RecordStore.ts"
import * as SyncApi from "./SyncApi.ts"

export interface DigestQuery {
  readonly cursor: DigestCursor
  /** What an empty page answers as its next cursor. */
  readonly echo: string
  readonly limit: number
  /** True for nodes of this release. */
  readonly ours: boolean
  /** First two hex digits of the value hashes asked for; all when undefined. */
  readonly buckets: ReadonlySet<string> | undefined
  /** Zones asked about, by nodes of this release; all when undefined. */
  readonly zones: ReadonlyArray<Name.Name> | undefined
  readonly legacySince: boolean
}

const integer = (text: string): number | undefined =>
  /^[+-]?[0-9]{1,15}$/.test(text.trim()) ? Number(text) : undefined

/** Left with the error text. */
export const parse = (query: URLSearchParams): Either.Either<DigestQuery, string> =>
  Either.gen(function* () {
    const limitText = query.get("limit")
    const limit = limitText === null ? SyncApi.defaultDigestLimit : integer(limitText)
    const cursorText = query.get("cursor")
    const sinceText = query.get("since")
    let cursor = SyncApi.start
    const legacySince = cursorText === null && sinceText !== null
    if (cursorText !== null) {
      const parsed = SyncApi.parseCursor(cursorText)
      if (Option.isNone(parsed))
        return yield* Either.left("cursor must be '<ts>:<name>:<value_hash>'")
      cursor = parsed.value
    } else if (sinceText !== null) {
      const since = integer(sinceText)
      if (since === undefined) return yield* Either.left("since must be an integer")
      if (since < 0) return yield* Either.left("since must be >= 0")
      // Above every name and hash with this time, so that only later rows follow.
      cursor = { storedTs: since, owner: "\u00ff", valueHash: "g" }
    }
    if (limit === undefined) return yield* Either.left("limit must be an integer")
    if (limit <= 0) return yield* Either.left("limit must be > 0")
    const buckets = query.get("buckets")
    const ours = query.get("ext") === "1"
    const zonesText = ours ? query.get("zones") : null
    const zones = zonesText === null ? Option.none() : SyncApi.parseZones(zonesText)
    if (zonesText !== null && Option.isNone(zones))
      return yield* Either.left(`zones must be at most ${SyncApi.maxZones} names`)
    return {
      cursor,
      echo: SyncApi.formatCursor(cursor),
      limit: Math.min(limit, SyncApi.maxDigestLimit),
      ours,
      buckets: buckets === null ? undefined : new Set(buckets.split(",")),
      zones: Option.getOrUndefined(zones),
      legacySince
    }
  })
