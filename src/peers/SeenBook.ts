/**
 * What the seen heartbeats say, and whom to believe more. Anybody can sign any endpoint and any
 * zone: what a zone says of itself counts above what others say, and no key and no source gets
 * more than its share.
 */
import { Either, Option } from "effect"
import * as Endpoint from "../dmp/Endpoint.ts"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as Name from "../wire/Name.ts"
import type { SeenRow } from "./SeenStore.ts"

/** Rows of one operator key that count. */
const perKey = 4
/** What one zone says of itself that counts: nodes it can have, and keys it can make up. */
const perZone = 8
/** Hearsay of one source that counts. */
const perSource = 20

export const hearsayPrefix = "seen:"

export const keyOf = (operatorSpkHex: string, endpoint: string): string =>
  `${operatorSpkHex} ${endpoint}`

export const isFirstHand = (row: SeenRow): boolean => !row.source.startsWith(hearsayPrefix)

/** The zone a heartbeat names, if it can be one; older ones name none, but have a host. */
export const zoneOf = (heartbeat: Heartbeat.Heartbeat): Option.Option<Name.Name> => {
  if (heartbeat.zone !== "") return Name.parse(heartbeat.zone)
  const host = heartbeat.endpoint.replace(/^https?:\/\//i, "").replace(/:[0-9]*$/, "")
  return /^[0-9.]+$/.test(host) || host.includes(":") ? Option.none() : Name.parse(host)
}

export interface Reading {
  /** The zone that was asked. */
  readonly zone: Name.Name
  /** True for what stood at the zone's own heartbeat name. */
  readonly ownName: boolean
  readonly wire: string
}

export type Verdict =
  | { readonly _tag: "Accepted"; readonly row: SeenRow }
  | { readonly _tag: "Refused"; readonly verdict: "own" | "refused" }

/** Judges one value read at `now` (s). */
export const judge = (
  { ownName, wire, zone }: Reading,
  now: number,
  isOwn: (heartbeat: Heartbeat.Heartbeat) => boolean
): Verdict => {
  const verified = Heartbeat.verify(wire, now, Heartbeat.relayedSkew)
  if (Either.isLeft(verified)) return { _tag: "Refused", verdict: "refused" }
  const heartbeat = verified.right
  if (isOwn(heartbeat)) return { _tag: "Refused", verdict: "own" }
  const firstHand = ownName && Option.contains(zoneOf(heartbeat), zone)
  const row = rowOf(wire, heartbeat, now, firstHand ? zone : `${hearsayPrefix}${zone}`)
  return row === undefined ? { _tag: "Refused", verdict: "refused" } : { _tag: "Accepted", row }
}

/** The row of a verified heartbeat, unless parsers could disagree on the host it names. */
export const rowOf = (
  wire: string,
  heartbeat: Heartbeat.Heartbeat,
  now: number,
  source: string
): SeenRow | undefined =>
  Endpoint.strict(heartbeat.endpoint)
    ? {
        operatorSpkHex: Buffer.from(heartbeat.operatorSpk).toString("hex"),
        endpoint: heartbeat.endpoint,
        wire,
        ts: heartbeat.ts,
        exp: heartbeat.exp,
        version: heartbeat.version,
        receivedAt: now,
        source
      }
    : undefined

/** `rows` by merit: first-hand before hearsay, newest first, within the quotas. */
export const ranked = (rows: ReadonlyArray<SeenRow>): ReadonlyArray<SeenRow> => {
  const sorted = [...rows].sort(
    (a, b) => Number(isFirstHand(b)) - Number(isFirstHand(a)) || b.ts - a.ts
  )
  const keys = new Map<string, number>()
  const sources = new Map<string, number>()
  return sorted.filter((row) => {
    const ofKey = (keys.get(row.operatorSpkHex) ?? 0) + 1
    const ofSource = (sources.get(row.source) ?? 0) + 1
    if (ofKey > perKey || ofSource > (isFirstHand(row) ? perZone : perSource)) return false
    keys.set(row.operatorSpkHex, ofKey)
    sources.set(row.source, ofSource)
    return true
  })
}

/** Zones to ask next, of rows by merit; each once. */
export const zones = (rows: ReadonlyArray<SeenRow>): ReadonlyArray<Name.Name> => [
  ...new Set(
    rows.flatMap(({ wire }) =>
      Option.toArray(Option.flatMap(Either.getRight(Heartbeat.parse(wire)), zoneOf))
    )
  )
]
