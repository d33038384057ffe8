/**
 * Effect's metrics in the Prometheus text format 0.0.4. Invariant: a family has its HELP and
 * TYPE lines whatever its first event was, and the same state renders to the same bytes.
 */
import { Effect, MetricKeyType, type MetricPair, MetricState, Option } from "effect"
import * as Metrics from "./Metrics.ts"

/** What `render` writes, for the answer's header. */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

type Kind = "counter" | "gauge" | "histogram" | "summary"
type Labels = ReadonlyArray<readonly [name: string, value: string]>
type Sample = readonly [suffix: string, labels: Labels, value: number | bigint]

interface Family {
  readonly kind: Kind
  help: string
  /** Samples by the text of their labels, by which they are sorted. */
  readonly series: Map<string, ReadonlyArray<Sample>>
}

// The families of this node; Effect counts its own fibers under `effect_`.
const ours = ["dmp_", "process_", "nodejs_"]

const number = (value: number | bigint): string =>
  value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value)

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

const bracketed = (labels: Labels): string =>
  labels.length === 0
    ? ""
    : `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",")}}`

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const kindOf = ({ metricKey: { keyType } }: MetricPair.MetricPair.Untyped): Kind =>
  MetricKeyType.isHistogramKey(keyType)
    ? "histogram"
    : MetricKeyType.isSummaryKey(keyType)
      ? "summary"
      : MetricKeyType.isFrequencyKey(keyType) ||
          (MetricKeyType.isCounterKey(keyType) && keyType.incremental)
        ? "counter"
        : "gauge"

const samples = (state: MetricState.MetricState.Untyped, labels: Labels): ReadonlyArray<Sample> => {
  if (MetricState.isHistogramState(state)) {
    // Effect's buckets are cumulative already; its last one does not count what is not a number.
    const finite = state.buckets.filter(([boundary]) => boundary !== Infinity)
    const buckets = [...finite, [Infinity, state.count] as const].map(
      ([boundary, count]): Sample => ["_bucket", [...labels, ["le", number(boundary)]], count]
    )
    return [...buckets, ["_sum", labels, state.sum], ["_count", labels, state.count]]
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.flatMap(([quantile, value]): ReadonlyArray<Sample> =>
      Option.match(value, {
        onNone: () => [],
        onSome: (some) => [["", [...labels, ["quantile", number(quantile)]], some]]
      })
    )
    return [...quantiles, ["_sum", labels, state.sum], ["_count", labels, state.count]]
  }
  if (MetricState.isFrequencyState(state))
    return [...state.occurrences]
      .sort(([a], [b]) => byName(a, b))
      .map(([key, count]): Sample => ["", [...labels, ["key", key]], count])
  if (MetricState.isCounterState(state)) return [["", labels, state.count]]
  return MetricState.isGaugeState(state) ? [["", labels, state.value]] : []
}

/** The text of `pairs`; families whose name has none of `prefixes` are left out. */
export const format = (
  pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>,
  prefixes: ReadonlyArray<string>
): string => {
  const families = new Map<string, Family>()
  for (const pair of pairs) {
    const { name, description, tags } = pair.metricKey
    if (!prefixes.some((prefix) => name.startsWith(prefix))) continue
    const kind = kindOf(pair)
    const family = families.get(name) ?? { kind, help: "", series: new Map() }
    families.set(name, family)
    if (family.help === "") family.help = Option.getOrElse(description, () => "")
    const labels = tags
      .map(({ key, value }) => [key, value] as const)
      .sort(([a], [b]) => byName(a, b))
    // A name belongs to one kind; a second kind under it would make the page unreadable.
    if (family.kind === kind)
      family.series.set(bracketed(labels), samples(pair.metricState, labels))
  }
  return [...families]
    .sort(([a], [b]) => byName(a, b))
    .flatMap(([name, { help, kind, series }]) => [
      `# HELP ${name} ${escapeHelp(help === "" ? name : help)}\n`,
      `# TYPE ${name} ${kind}\n`,
      ...[...series]
        .sort(([a], [b]) => byName(a, b))
        .flatMap(([, lines]) => lines)
        .map(([suffix, labels, value]) => `${name}${suffix}${bracketed(labels)} ${number(value)}\n`)
    ])
    .join("")
}

/** The page of a scrape: all metrics whose name has one of `prefixes`, or all of this node's. */
export const render = (...prefixes: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.sync(() => format(Metrics.snapshot(), prefixes.length === 0 ? ours : prefixes))
