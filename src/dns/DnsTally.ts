/**
 * What one thread has counted since it last said so, to be added to the counts of another:
 * `/metrics` shows one family however many threads answer.
 */
import { Metric, MetricKeyType, MetricState } from "effect"
import * as DnsMetrics from "./DnsMetrics.ts"
import type { TopTalkersShape } from "../runtime/TopTalkers.ts"

/** Addresses whose refusals are told apart between two tallies. */
const maxRefused = 256

interface Latencies {
  /** Observations by upper bound, not cumulated; the last bound is infinite. */
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
  /** Seconds. */
  readonly sum: number
  readonly max: number
}

export interface Tally {
  readonly counts: ReadonlyArray<readonly [family: string, value: string, by: number]>
  readonly latencies: Latencies
  readonly refused: ReadonlyArray<readonly [address: string, times: number]>
}

/** Gathers refusals until they are taken; of more than `maxRefused` addresses it keeps the first. */
export class Refused {
  #times = new Map<string, number>()

  readonly talkers: TopTalkersShape = {
    refused: (_limit, address, times = 1) => {
      const before = this.#times.get(address)
      if (before !== undefined || this.#times.size < maxRefused)
        this.#times.set(address, (before ?? 0) + times)
    },
    top: () => []
  }

  take(): Tally["refused"] {
    const taken = [...this.#times]
    this.#times = new Map()
    return taken
  }
}

/** Makes what tells, each time, what this thread's DNS metrics have grown by since the last. */
export const taker = (refused: Refused): (() => Tally) => {
  const seen = new Map<string, number>()
  const growth = (id: string, total: number) => {
    const by = total - (seen.get(id) ?? 0)
    seen.set(id, total)
    return by
  }
  return () => {
    const counts: Array<readonly [string, string, number]> = []
    let latencies: Latencies = { buckets: [], sum: 0, max: 0 }
    for (const { metricKey, metricState } of Metric.unsafeSnapshot()) {
      const { name } = metricKey
      if (!name.startsWith("dmp_dns_")) continue
      if (
        MetricKeyType.isCounterKey(metricKey.keyType) &&
        MetricState.isCounterState(metricState)
      ) {
        const value = metricKey.tags[0]?.value ?? ""
        const by = growth(`${name} ${value}`, Number(metricState.count))
        if (by > 0) counts.push([name, value, by])
      } else if (name === DnsMetrics.latencyName && MetricState.isHistogramState(metricState)) {
        let below = 0
        const buckets = metricState.buckets.map(([bound, cumulated]) => {
          const own = cumulated - below
          below = cumulated
          return [bound, growth(`${name} ${bound}`, own)] as const
        })
        latencies = { buckets, sum: growth(name, metricState.sum), max: metricState.max }
      }
    }
    return { counts, latencies, refused: refused.take() }
  }
}

/** Adds a tally of another thread to what this one counts. */
export const add = ({ counts, latencies, refused }: Tally, talkers: TopTalkersShape): void => {
  for (const [family, value, by] of counts) DnsMetrics.count(family, value, by)
  for (const seconds of observations(latencies)) DnsMetrics.observeLatency(seconds)
  for (const [address, times] of refused) talkers.refused("dns", address, times)
}

/**
 * Observations with the bucket counts of `latencies` and its sum: each as far into its bucket
 * as the sum says for all of them.
 */
export const observations = ({ buckets, max, sum }: Latencies): ReadonlyArray<number> => {
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
