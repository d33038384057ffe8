/**
 * What a name and type are answered with: one pure, allocation-free decision over the live
 * RRsets and the served zones (RFC 1034 §4.3.2, RFC 2308, RFC 8020).
 */
import { type as rrType } from "../wire/Codes.ts"
import { hashOf } from "../wire/NameHash.ts"
import type { QuestionName } from "../wire/QuestionName.ts"
import type { Ref } from "./Arena.ts"
import type { ServedZone, StaticRrset } from "./ServedZones.ts"
import type { ZoneReader } from "./ZoneReader.ts"

/**
 * - `answer`: the values of `node` and/or `rrset` hold it; `soa` stands for the zone's SOA record.
 * - `nodata`: the name exists, or may come to exist, without this type.
 * - `nxdomain`: the name does not exist, nor does anything below it.
 * - `refused`: no zone of ours.
 */
export type Outcome = "answer" | "soa" | "nodata" | "nxdomain" | "refused"

// Parents of names that clients create at any moment: a resolver that has learned they do not
// exist would hide everything below them (RFC 8020).
const structuralParent =
  /^(?:mb-[0-9a-f]{12}|id-[0-9a-f]{12}(?:[0-9a-f]{4})?|_?dmp|cluster|rotate)$/

export class Lookup {
  /** The zone that matched; none in zoneless mode and for names held outside every zone. */
  zone: ServedZone | undefined
  /** Holds live values of the type asked for; 0 when there are none. */
  node: Ref = 0
  rrset: StaticRrset | undefined
  readonly #live: ZoneReader
  readonly #zones: ReadonlyArray<ServedZone>
  /** Hashes of the names that configuration put there; most questions are for none of them. */
  readonly #configured: ReadonlySet<number>

  constructor(live: ZoneReader, zones: ReadonlyArray<ServedZone>) {
    this.#live = live
    // The longest match wins, so it is tried first.
    this.#zones = [...zones].sort((a, b) => b.labelCount - a.labelCount)
    this.#configured = new Set(
      zones.flatMap(({ emptyNonTerminals, records }) =>
        [...records.keys(), ...emptyNonTerminals].map((key) => hashOf(key, live.hashStart))
      )
    )
  }

  /** `now` in seconds. */
  find(name: QuestionName, type: number, now: number): Outcome {
    this.node = 0
    this.rrset = undefined
    this.zone = this.#zoneOf(name)
    const zone = this.zone
    const node = this.#live.nodeOf(name)
    const alive = node !== 0 && this.#holdsLive(node, now)
    if (type === rrType.TXT && alive) this.node = node
    if (zone === undefined) {
      if (this.node !== 0) return "answer"
      if (this.#zones.length > 0) return "refused"
      // No zone configured at all: what local development and test suites run with.
      return type === rrType.TXT && node === 0 ? "nxdomain" : "nodata"
    }
    const configured = this.#configured.has(name.hash)
    const types = configured ? zone.records.get(name.key) : undefined
    this.rrset = types?.get(type)
    if (this.node !== 0 || this.rrset !== undefined) return "answer"
    const apex = name.length === zone.apex.length
    if (apex && type === rrType.SOA) return "soa"
    // Other types never get NXDOMAIN: a resolver that probes one before the record is published
    // must not be told that the name, and with it the whole subtree, is absent.
    if (apex || type !== rrType.TXT || alive || (node !== 0 && this.#live.below(node) > 0))
      return "nodata"
    if (types !== undefined || (configured && zone.emptyNonTerminals.has(name.key))) return "nodata"
    return name.labelCount === zone.labelCount + 1 &&
      structuralParent.test(name.key.slice(1, 1 + name.key.charCodeAt(0)))
      ? "nodata"
      : "nxdomain"
  }

  #zoneOf(name: QuestionName): ServedZone | undefined {
    for (const zone of this.#zones) if (name.isWithin(zone.apex, zone.labelCount)) return zone
    return undefined
  }

  #holdsLive(node: Ref, now: number): boolean {
    const live = this.#live
    let txt = live.first(node)
    for (let left = live.count(node); left > 0 && txt !== 0; left--) {
      if (live.expiresAt(txt) > now) return true
      txt = live.next(txt)
    }
    return false
  }
}
