/**
 * What one thread has counted since it last said so, to be added to the counts of another:
 * `/metrics` shows one family however many threads answer.
 */
import { MetricKeyType, MetricState } from "effect"
import * as DnsMetrics from "./DnsMetrics.ts"
import * as Metrics from "../runtime/Metrics.ts"
import type { TopTalkersShape } from "../runtime/TopTalkers.ts"

/** Addresses whose refusals are told apart between two tallies. */
const maxRefused = 256

interface Distribution {
  /** Observations by upper bound, not cumulated; the last bound is infinite. */
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
  readonly sum: number
  readonly max: number
}

export interface Tally {
  readonly counts: ReadonlyArray<readonly [family: string, value: string, by: number]>
  /** By name of the histogram, with its label where it has one. */
  readonly distributions: ReadonlyArray<readonly [name: string, Distribution]>
  readonly refused: ReadonlyArray<readonly [address: string, times: number]>
  /** Who has asked, as far as it was sampled. */
  readonly asked: ReadonlyArray<readonly [address: string, times: number]>
}

/** Gathers addresses until they are taken; of more than `maxRefused` it keeps the first. */
class Addresses {
  #times = new Map<string, number>()

  add(address: string, times: number): void {
    const before = this.#times.get(address)
    if (before !== undefined || this.#times.size < maxRefused)
      this.#times.set(address, (before ?? 0) + times)
  }

  take(): ReadonlyArray<readonly [address: string, times: number]> {
    const taken = [...this.#times]
    this.#times = new Map()
    return taken
  }
}

/** What a thread has seen of its clients since it last said so. */
export class Clients {
  readonly refused = new Addresses()
  readonly asked = new Addresses()

  readonly talkers: TopTalkersShape = {
    refused: (_limit, address, times = 1) => this.refused.add(address, times),
    asked: (address, times) => this.asked.add(address, times),
    top: () => [],
    busiest: () => []
  }
}

/** Makes what tells, each time, what this thread's DNS metrics have grown by since the last. */
export const taker = (clients: Clients): (() => Tally) => {
  const seen = new Map<string, number>()
  const growth = (id: string, total: number) => {
    const by = total - (seen.get(id) ?? 0)
    seen.set(id, total)
    return by
  }
  return () => {
    const counts: Array<readonly [string, string, number]> = []
    const distributions: Array<readonly [string, Distribution]> = []
    for (const { metricKey, metricState } of Metrics.snapshot()) {
      const { name } = metricKey
      if (!name.startsWith("dmp_dns_")) continue
      const value = metricKey.tags.map((tag) => tag.value).join(" ")
      const id = value === "" ? name : `${name} ${value}`
      if (
        MetricKeyType.isCounterKey(metricKey.keyType) &&
        MetricState.isCounterState(metricState)
      ) {
        const by = growth(id, Number(metricState.count))
        if (by > 0) counts.push([name, value, by])
      } else if (MetricState.isHistogramState(metricState)) {
        let below = 0
        const buckets = metricState.buckets.map(([bound, cumulated]) => {
          const own = cumulated - below
          below = cumulated
          return [bound, growth(`${id} ${bound}`, own)] as const
        })
        const sum = growth(id, metricState.sum)
        if (buckets.some(([, count]) => count > 0))
          distributions.push([id, { buckets, sum, max: metricState.max }])
      }
    }
    return { counts, distributions, refused: clients.refused.take(), asked: clients.asked.take() }
  }
}

/** Adds a tally of another thread to what this one counts. */
export const add = (tally: Tally, talkers: TopTalkersShape): void => {
  for (const [family, value, by] of tally.counts) DnsMetrics.count(family, value, by)
  for (const [name, distribution] of tally.distributions)
    for (const value of observations(distribution)) DnsMetrics.observe(name, value)
  for (const [address, times] of tally.refused) talkers.refused("dns", address, times)
  for (const [address, times] of tally.asked) talkers.asked(address, times)
}

/**
 * Observations with the bucket counts of a distribution and its sum: each as far into its bucket
 * as the sum says for all of them.
 */
export const observations = ({ buckets, max, sum }: Distribution): ReadonlyArray<number> => {
  const spans = buckets.map(([bound, count], i) => {
    const from = buckets[i - 1]?.[0] ?? 0
    return { count, from, width: Math.max(0, Math.min(bound, Math.max(max, from)) - from) }
  })
  const least = spans.reduce((total, { count, from }) => total + count * from, 0)
  const room = spans.reduce((total, { count, width }) => total + count * width, 0)
  // Never quite 0: the lower bound itself belongs to the bucket before.
  const part = room > 0 ? Math.min(1, Math.max(1e-6, (sum - least) / room)) : 1
  return spans.flatMap(({ count, from, width }) => Array<number>(count).fill(from + part * width))
}
