/**
 * Which entries of a peer's digest page count, and which rows they ask this node to fetch.
 * Invariant: entries lie strictly after the cursor, in order, so a peer can neither turn a
 * reader back nor keep it in one place.
 */
import { Option, Schema } from "effect"
import * as Name from "../wire/Name.ts"
import type { LiveZone } from "../zone/LiveZone.ts"
import type { DigestCursor } from "../zone/RecordStore.ts"
import { DigestEntry } from "./SyncApi.ts"
import { valueHash } from "../zone/ValueHash.ts"

/** Seconds by which a peer's copy must outlive ours to be worth fetching. */
const slop = 5

const decode = Schema.decodeUnknownOption(DigestEntry)

export const cursorOf = (entry: DigestEntry): DigestCursor => ({
  storedTs: entry.ts,
  owner: entry.name,
  valueHash: entry.hash
})

/** Order of the sync protocol; names and hashes are ASCII, so code units are octets. */
export const isAfter = (a: DigestCursor, b: DigestCursor): boolean => {
  if (a.storedTs !== b.storedTs) return a.storedTs > b.storedTs
  if (a.owner !== b.owner) return a.owner > b.owner
  return a.valueHash > b.valueHash
}

/** The sound entries after `cursor`, none stamped later than `latest` (ms, the peer's clock). */
export const sound = (
  entries: ReadonlyArray<unknown>,
  cursor: DigestCursor,
  latest: number
): ReadonlyArray<DigestEntry> => {
  const kept: Array<DigestEntry> = []
  let last = cursor
  for (const raw of entries) {
    const entry = Option.getOrUndefined(decode(raw))
    if (entry === undefined || entry.ts > latest) continue
    const at = cursorOf(entry)
    if (!isAfter(at, last)) continue
    last = at
    kept.push(entry)
  }
  return kept
}

/** Which hashes are held at an owner, and until when (s); each owner is hashed once. */
export const heldAt = (zone: LiveZone, now: number) => {
  const owners = new Map<string, ReadonlyMap<string, number>>()
  return (owner: Name.Name): ReadonlyMap<string, number> => {
    const known = owners.get(owner)
    if (known !== undefined) return known
    const hashes = new Map(
      zone.live(owner, now).map(({ expiresAt, value }) => [valueHash(value), expiresAt])
    )
    owners.set(owner, hashes)
    return hashes
  }
}

export interface WantedFacts {
  /** Unix seconds. */
  readonly now: number
  /** Longest TTL this node keeps: a longer life elsewhere is no news. */
  readonly maxTtl: number
  readonly inZone: (owner: Name.Name) => boolean
  readonly isDead: (owner: string, hash: string) => boolean
  readonly isHeld: (name: string, hash: string) => boolean
}

/** The entries worth fetching: not here, or here with less of life, and not known to be unfit. */
export const wanted = (
  entries: ReadonlyArray<DigestEntry>,
  zone: LiveZone,
  { inZone, isDead, isHeld, maxTtl, now }: WantedFacts
): ReadonlyArray<DigestEntry> => {
  const held = heldAt(zone, now)
  return entries.filter((entry) => {
    if (entry.ttl === 0 || isHeld(entry.name, entry.hash)) return false
    const owner = Option.getOrUndefined(Name.parse(entry.name))
    if (owner === undefined || !inZone(owner) || isDead(owner, entry.hash)) return false
    const expiresAt = held(owner).get(entry.hash)
    return expiresAt === undefined || Math.min(entry.ttl, maxTtl) > expiresAt - now + slop
  })
}
