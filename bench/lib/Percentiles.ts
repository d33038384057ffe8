/** Percentiles of recorded times, by sorting: exact, and a benchmark has the memory. */

export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export const percentiles = (values: ReadonlyArray<number>): Percentiles => {
  const sorted = Float64Array.from(values).sort()
  const at = (part: number) => sorted[Math.ceil(sorted.length * part) - 1] ?? NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) }
}
