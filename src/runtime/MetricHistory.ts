/**
 * The last quarter of an hour of some counters and histograms, sampled, for rates and recent
 * latencies without a Prometheus. Bounded; a sample costs one look at all metrics.
 */
import { Effect, type Scope } from "effect"
import { type Histogram, MetricReader, quantile, since } from "./MetricReader.ts"

export interface Watched {
  /** How to read each counter. */
  readonly counters: Readonly<Record<string, (reader: MetricReader) => number>>
  /** Names of histograms. */
  readonly histograms: ReadonlyArray<string>
}

interface Sample {
  /** Seconds on the clock. */
  readonly at: number
  readonly totals: Readonly<Record<string, number>>
  readonly histograms: Readonly<Record<string, Histogram>>
}

/** Seconds between samples. */
export const pace = 5
const kept = 181
/** Seconds over which a rate is taken. */
const rateWindow = 60
/** Seconds over which latencies are taken. */
const latencyWindow = 300

export interface MetricHistory {
  /** Per second over the last minute, or over what there is. */
  readonly rate: (counter: string) => number
  /** Per second, sample by sample, oldest first. */
  readonly series: (counter: string) => ReadonlyArray<number>
  /** Seconds, over the last five minutes; none when nothing was observed. */
  readonly latency: (histogram: string, q: number) => number | undefined
}

/** Samples now and every `pace` seconds until the scope closes. */
export const make = (watched: Watched): Effect.Effect<MetricHistory, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const samples: Array<Sample> = []
    const take = Effect.sync(() => {
      const reader = MetricReader.now()
      samples.push({
        at: clock.unsafeCurrentTimeMillis() / 1000,
        totals: Object.fromEntries(
          Object.entries(watched.counters).map(([name, read]) => [name, read(reader)])
        ),
        histograms: Object.fromEntries(
          watched.histograms.map((name) => [name, reader.histogram(name)])
        )
      })
      if (samples.length > kept) samples.shift()
    })
    yield* take
    yield* Effect.sleep(`${pace} seconds`).pipe(
      Effect.zipRight(take),
      Effect.forever,
      Effect.forkScoped
    )

    const perSecond = (from: Sample, to: Sample, counter: string): number =>
      to.at > from.at
        ? Math.max(0, ((to.totals[counter] ?? 0) - (from.totals[counter] ?? 0)) / (to.at - from.at))
        : 0
    const last = () => samples.at(-1)
    const before = (seconds: number): Sample | undefined => {
      const newest = last()
      return newest && (samples.find(({ at }) => newest.at - at <= seconds + pace / 2) ?? newest)
    }

    return {
      rate: (counter) => {
        const from = before(rateWindow)
        const to = last()
        return from === undefined || to === undefined ? 0 : perSecond(from, to, counter)
      },
      series: (counter) =>
        samples.slice(1).map((sample, i) => perSecond(samples[i] ?? sample, sample, counter)),
      latency: (histogram, q) => {
        const from = before(latencyWindow)?.histograms[histogram]
        const to = last()?.histograms[histogram]
        return from === undefined || to === undefined ? undefined : quantile(since(to, from), q)
      }
    }
  })
