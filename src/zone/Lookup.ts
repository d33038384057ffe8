/**
 * What a name and type are answered with: one pure, allocation-free decision over the live
 * RRsets and the served zones (RFC 1034 §4.3.2, RFC 2308, RFC 8020).
 */
import { type as rrType } from "../wire/Codes.ts"
import type { WireKey } from "../wire/Name.ts"
import type { LiveZone, Txt, ZoneNode } from "./LiveZone.ts"
import type { ServedZone, StaticRrset } from "./ServedZones.ts"

/**
 * - `answer`: `txts` and/or `rrset` hold it; `soa` stands for the zone's SOA record.
 * - `nodata`: the name exists, or may come to exist, without this type.
 * - `nxdomain`: the name does not exist, nor does anything below it.
 * - `refused`: no zone of ours.
 */
export type Outcome = "answer" | "soa" | "nodata" | "nxdomain" | "refused"

// Parents of names that clients create at any moment: a resolver that has learned they do not
// exist would hide everything below them (RFC 8020).
const structuralParent =
  /^(?:mb-[0-9a-f]{12}|id-[0-9a-f]{12}(?:[0-9a-f]{4})?|_?dmp|cluster|rotate)$/

const none: ReadonlyArray<Txt> = []

export class Lookup {
  /** The zone that matched; none in zoneless mode and for names held outside every zone. */
  zone: ServedZone | undefined
  txts: ReadonlyArray<Txt> = none
  rrset: StaticRrset | undefined
  readonly #live: LiveZone
  readonly #zones: ReadonlyArray<ServedZone>

  constructor(live: LiveZone, zones: ReadonlyArray<ServedZone>) {
    this.#live = live
    // The longest match wins, so it is tried first.
    this.#zones = [...zones].sort((a, b) => b.labelCount - a.labelCount)
  }

  /** `labels` says where each of the `labelCount` labels starts in `key`; `now` in seconds. */
  find(key: WireKey, labels: Uint8Array, labelCount: number, type: number, now: number): Outcome {
    this.txts = none
    this.rrset = undefined
    this.zone = this.#zoneOf(key, labels, labelCount)
    const zone = this.zone
    const node = this.#live.find(key)
    const alive = node !== undefined && holdsLive(node, now)
    if (type === rrType.TXT && alive) this.txts = node.txts
    if (zone === undefined) {
      if (this.txts.length > 0) return "answer"
      if (this.#zones.length > 0) return "refused"
      // No zone configured at all: what local development and test suites run with.
      return type === rrType.TXT && node === undefined ? "nxdomain" : "nodata"
    }
    const types = zone.records.get(key)
    this.rrset = types?.get(type)
    if (this.txts.length > 0 || this.rrset !== undefined) return "answer"
    const apex = key === zone.apex
    if (apex && type === rrType.SOA) return "soa"
    // Other types never get NXDOMAIN: a resolver that probes one before the record is published
    // must not be told that the name, and with it the whole subtree, is absent.
    if (apex || type !== rrType.TXT || alive || (node !== undefined && node.below > 0))
      return "nodata"
    if (types !== undefined || zone.emptyNonTerminals.has(key)) return "nodata"
    return labelCount === zone.labelCount + 1 &&
      structuralParent.test(key.slice(1, 1 + key.charCodeAt(0)))
      ? "nodata"
      : "nxdomain"
  }

  #zoneOf(key: WireKey, labels: Uint8Array, labelCount: number): ServedZone | undefined {
    for (const zone of this.#zones) {
      if (labelCount < zone.labelCount) continue
      const start = labels[labelCount - zone.labelCount] ?? 0
      if (start === 0 ? key === zone.apex : key.startsWith(zone.apex, start)) {
        if (key.length - start === zone.apex.length) return zone
      }
    }
    return undefined
  }
}

const holdsLive = (node: ZoneNode, now: number): boolean => {
  for (const txt of node.txts) if (txt.expiresAt > now) return true
  return false
}
