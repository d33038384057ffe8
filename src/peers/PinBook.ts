/**
 * Whose heartbeats a zone's are, by what it showed first. Invariant: a zone that has pinned
 * keys gets another only by a rotation that leads to it or after it has stood beside them for
 * a week; and made-up zones take neither the place of real ones nor more than their share.
 */
import type { StoredPin } from "./SeenStore.ts"

/** Zones with pins, and of them below one name of two labels. */
const mostZones = 4096
const mostBelow = 64
/** Keys of one zone, pinned or not. */
export const mostKeys = 16
/** Seconds a key stands beside pinned ones before it counts as one. */
const untilTaken = 7 * 86_400
/** Seconds without being seen after which an unpinned key begins anew. */
const candidateFor = 86_400
/** Seconds between two notes that a key is still there. */
const worthNoting = 3600

export type Standing = "unpinned" | "pinned" | "foreign"

export interface Meeting {
  /** To be stored. */
  readonly changed: ReadonlyArray<StoredPin>
  /** To be forgotten: the longest unseen, where a zone has rotated through many. */
  readonly gone: ReadonlyArray<StoredPin>
  /** Keys that are not this zone's. */
  readonly foreign: ReadonlyArray<string>
}

const parentOf = (zone: string) => zone.split(".").slice(-2).join(".")

export class PinBook {
  readonly #zones = new Map<string, Map<string, StoredPin>>()
  readonly #below = new Map<string, number>()

  constructor(stored: ReadonlyArray<StoredPin>) {
    for (const pin of stored) this.#keep(pin)
  }

  standing(zone: string, spk: string): Standing {
    const pins = this.#zones.get(zone)
    if (pins === undefined) return "unpinned"
    return pins.get(spk)?.pinned === true ? "pinned" : "foreign"
  }

  pinned(zone: string): ReadonlySet<string> {
    const pins = [...(this.#zones.get(zone)?.values() ?? [])]
    return new Set(pins.flatMap(({ operatorSpkHex, pinned }) => (pinned ? [operatorSpkHex] : [])))
  }

  get size(): number {
    return this.#zones.size
  }

  /** Takes note of the keys a zone itself shows now; those in `linked` follow from pinned ones. */
  meet(zone: string, keys: ReadonlySet<string>, linked: ReadonlySet<string>, now: number): Meeting {
    const isNew = !this.#zones.has(zone)
    if (isNew && !this.#hasRoom(zone)) return { changed: [], gone: [], foreign: [] }
    const before = this.#zones.get(zone) ?? new Map<string, StoredPin>()
    const vouched = [...keys].some((key) => before.get(key)?.pinned === true)
    const changed: Array<StoredPin> = []
    const gone: Array<StoredPin> = []
    const foreign: Array<string> = []
    for (const operatorSpkHex of keys) {
      const known = before.get(operatorSpkHex)
      const fresh = known === undefined || (!known.pinned && now - known.lastSeen > candidateFor)
      const firstSeen = fresh ? now : known.firstSeen
      const pinned =
        isNew ||
        known?.pinned === true ||
        linked.has(operatorSpkHex) ||
        (vouched && now - firstSeen >= untilTaken)
      if (!pinned) foreign.push(operatorSpkHex)
      if (known === undefined && (this.#zones.get(zone)?.size ?? 0) >= mostKeys) {
        const oldest = pinned ? this.#longestUnseen(zone, keys) : undefined
        if (oldest === undefined) continue
        this.#remove(oldest)
        gone.push(oldest)
      }
      if (fresh || pinned !== known.pinned || now - known.lastSeen >= worthNoting) {
        const pin = { zone, operatorSpkHex, firstSeen, lastSeen: now, pinned }
        this.#keep(pin)
        changed.push(pin)
      }
    }
    return { changed, gone, foreign }
  }

  /** Takes pins away; yields those that were there. */
  drop(zone: string, spks: Iterable<string>): ReadonlyArray<StoredPin> {
    return [...spks].flatMap((spk) => {
      const pin = this.#zones.get(zone)?.get(spk)
      if (pin === undefined) return []
      this.#remove(pin)
      return [pin]
    })
  }

  /** Forgets what has not been seen since `before` (s); a zone without pinned keys is unknown again. */
  sweep(before: number): ReadonlyArray<StoredPin> {
    const over: Array<StoredPin> = []
    for (const pins of this.#zones.values()) {
      const stale = [...pins.values()].filter(({ lastSeen }) => lastSeen < before)
      const left = [...pins.values()].some((pin) => pin.pinned && !stale.includes(pin))
      over.push(...(left ? stale : pins.values()))
    }
    for (const pin of over) this.#remove(pin)
    return over
  }

  #longestUnseen(zone: string, shown: ReadonlySet<string>): StoredPin | undefined {
    return [...(this.#zones.get(zone)?.values() ?? [])]
      .filter(({ operatorSpkHex }) => !shown.has(operatorSpkHex))
      .sort((a, b) => a.lastSeen - b.lastSeen)[0]
  }

  #hasRoom(zone: string): boolean {
    return this.#zones.size < mostZones && (this.#below.get(parentOf(zone)) ?? 0) < mostBelow
  }

  #keep(pin: StoredPin): void {
    const pins = this.#zones.get(pin.zone)
    if (pins !== undefined) return void pins.set(pin.operatorSpkHex, pin)
    this.#zones.set(pin.zone, new Map([[pin.operatorSpkHex, pin]]))
    const parent = parentOf(pin.zone)
    this.#below.set(parent, (this.#below.get(parent) ?? 0) + 1)
  }

  #remove({ operatorSpkHex, zone }: StoredPin): void {
    const pins = this.#zones.get(zone)
    if (pins === undefined) return
    pins.delete(operatorSpkHex)
    if (pins.size > 0) return
    this.#zones.delete(zone)
    const parent = parentOf(zone)
    const left = (this.#below.get(parent) ?? 1) - 1
    if (left > 0) this.#below.set(parent, left)
    else this.#below.delete(parent)
  }
}
