/** Reads numbers out of Effect's metrics, as a scrape would see them. */
import { type MetricPair, MetricState } from "effect"
import { snapshot } from "./Metrics.ts"

/** All metrics at one moment, by name. */
export class MetricReader {
  readonly #byName = new Map<string, Array<MetricPair.MetricPair.Untyped>>()

  constructor(pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>) {
    for (const pair of pairs) {
      const { name } = pair.metricKey
      const held = this.#byName.get(name)
      if (held === undefined) this.#byName.set(name, [pair])
      else held.push(pair)
    }
  }

  static now(): MetricReader {
    return new MetricReader(snapshot())
  }

  #pairs(name: string): ReadonlyArray<MetricPair.MetricPair.Untyped> {
    return this.#byName.get(name) ?? []
  }

  /** The gauge or counter of this name; the sum of its series, none when there is no such. */
  value(name: string): number | undefined {
    const pairs = this.#pairs(name)
    return pairs.length === 0
      ? undefined
      : pairs.reduce((sum, { metricState }) => sum + numberIn(metricState), 0)
  }

  /** Its value by `label`, series without it left out; those alike are summed. */
  by(name: string, label: string): ReadonlyMap<string, number> {
    const sums = new Map<string, number>()
    for (const { metricKey, metricState } of this.#pairs(name)) {
      const tag = metricKey.tags.find(({ key }) => key === label)
      if (tag !== undefined) sums.set(tag.value, (sums.get(tag.value) ?? 0) + numberIn(metricState))
    }
    return sums
  }

  /** The sum of the series that have all of these labels. */
  where(name: string, labels: Readonly<Record<string, string>>): number {
    return this.#pairs(name)
      .filter(({ metricKey }) =>
        Object.entries(labels).every(([key, value]) =>
          metricKey.tags.some((tag) => tag.key === key && tag.value === value)
        )
      )
      .reduce((sum, { metricState }) => sum + numberIn(metricState), 0)
  }

  /** The labels of the first series. */
  labels(name: string): Readonly<Record<string, string>> {
    const [pair] = this.#pairs(name)
    return Object.fromEntries((pair?.metricKey.tags ?? []).map(({ key, value }) => [key, value]))
  }

  /** All series of a histogram as one: boundaries and how many lay at or below each. */
  histogram(name: string): Histogram {
    const sums = new Map<number, number>()
    let count = 0
    for (const { metricState } of this.#pairs(name)) {
      if (!MetricState.isHistogramState(metricState)) continue
      count += metricState.count
      for (const [boundary, below] of metricState.buckets)
        if (boundary !== Infinity) sums.set(boundary, (sums.get(boundary) ?? 0) + below)
    }
    return { count, buckets: [...sums].sort(([a], [b]) => a - b) }
  }
}

export interface Histogram {
  readonly count: number
  /** Cumulative, boundaries ascending, without the infinite one. */
  readonly buckets: ReadonlyArray<readonly [boundary: number, below: number]>
}

/** What came into `later` after `earlier`. */
export const since = (later: Histogram, earlier: Histogram): Histogram => {
  const before = new Map(earlier.buckets)
  return {
    count: later.count - earlier.count,
    buckets: later.buckets.map(([at, below]) => [at, below - (before.get(at) ?? 0)] as const)
  }
}

/**
 * The quantile `q` (0 to 1), linear within its bucket as Prometheus has it; none without
 * observations. What lies above the last boundary counts as that boundary.
 */
export const quantile = ({ buckets, count }: Histogram, q: number): number | undefined => {
  if (count <= 0) return undefined
  const wanted = q * count
  let lowerAt = 0
  let lowerCount = 0
  for (const [at, below] of buckets) {
    if (below >= wanted) {
      const inside = below - lowerCount
      return inside <= 0 ? at : lowerAt + ((at - lowerAt) * (wanted - lowerCount)) / inside
    }
    lowerAt = at
    lowerCount = below
  }
  return lowerAt
}

const numberIn = (state: MetricState.MetricState.Untyped): number =>
  MetricState.isCounterState(state)
    ? Number(state.count)
    : MetricState.isGaugeState(state)
      ? Number(state.value)
      : 0
