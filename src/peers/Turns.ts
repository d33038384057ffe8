/**
 * Whose turn it is to be asked when not all can be. Invariant: every zone that stays known is
 * asked within a bounded number of rounds, however many others there are and whoever brings
 * them: each way of knowing a zone has a share, within it each source has one, and there who
 * has waited longest comes first.
 */
import type * as Name from "../wire/Name.ts"

/** How a zone is known: by the settings, by itself, by another zone, by a public list. */
export type Kind = "configured" | "first-hand" | "hearsay" | "listed"

export interface Contender {
  readonly zone: Name.Name
  readonly kind: Kind
  /** Who names it, where that is for others to choose. */
  readonly source: string
}

/** One pass gives each kind its share; a kind that has nobody left gives up its turn. */
const pass: ReadonlyArray<Kind> = [
  "configured",
  "first-hand",
  "configured",
  "hearsay",
  "first-hand",
  "listed"
]

export class Turns {
  /** Since when each zone has waited, as a number that only grows. */
  readonly #waiting = new Map<Name.Name, number>()
  /** When each source was last served. */
  readonly #served = new Map<string, number>()
  #now = 0
  /** Goes on where the last round ended, so that few slots are shared too. */
  #at = 0

  /** At most `slots` zones to ask now. Of a zone named twice the first naming counts. */
  next(contenders: ReadonlyArray<Contender>, slots: number): ReadonlyArray<Name.Name> {
    const queues = this.#queues(contenders)
    const chosen: Array<Name.Name> = []
    let idle = 0
    while (chosen.length < slots && idle < pass.length) {
      const zone = this.#take(queues, pass[this.#at] ?? "configured")
      this.#at = (this.#at + 1) % pass.length
      if (zone === undefined) idle++
      else {
        idle = 0
        chosen.push(zone)
      }
    }
    for (const zone of chosen) this.#waiting.set(zone, ++this.#now)
    return chosen
  }

  /** By kind and source, the longest waiting last; forgets whom nobody names any more. */
  #queues(contenders: ReadonlyArray<Contender>): Map<Kind, Map<string, Array<Name.Name>>> {
    const known = new Set<Name.Name>()
    const sources = new Set<string>()
    const queues = new Map<Kind, Map<string, Array<Name.Name>>>()
    this.#now++
    for (const { kind, source, zone } of contenders) {
      if (known.has(zone)) continue
      known.add(zone)
      sources.add(sourceOf(kind, source))
      if (!this.#waiting.has(zone)) this.#waiting.set(zone, this.#now)
      const bySource = queues.get(kind) ?? new Map<string, Array<Name.Name>>()
      queues.set(kind, bySource)
      const queue = bySource.get(source)
      if (queue === undefined) bySource.set(source, [zone])
      else queue.push(zone)
    }
    for (const zone of this.#waiting.keys()) if (!known.has(zone)) this.#waiting.delete(zone)
    for (const source of this.#served.keys()) if (!sources.has(source)) this.#served.delete(source)
    for (const bySource of queues.values())
      for (const queue of bySource.values())
        queue.sort((a, b) => (this.#waiting.get(b) ?? 0) - (this.#waiting.get(a) ?? 0))
    return queues
  }

  #take(queues: Map<Kind, Map<string, Array<Name.Name>>>, kind: Kind): Name.Name | undefined {
    let least: string | undefined
    let leastServed = Infinity
    for (const [source, queue] of queues.get(kind) ?? []) {
      const served = this.#served.get(sourceOf(kind, source)) ?? 0
      if (queue.length === 0 || served >= leastServed) continue
      least = source
      leastServed = served
    }
    if (least === undefined) return undefined
    this.#served.set(sourceOf(kind, least), ++this.#now)
    return queues.get(kind)?.get(least)?.pop()
  }
}

const sourceOf = (kind: Kind, source: string): string => `${kind} ${source}`
