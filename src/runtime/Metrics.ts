/** Counters for paths too hot for an effect per event. */
import { Metric, MetricLabel, type MetricPair } from "effect"

const settling: Array<() => void> = []

/** Has `settle` run before metrics are read: it adds what was counted in a cheaper place. */
export const beforeReading = (settle: () => void): void => void settling.push(settle)

/** Every metric of this thread as it is now. */
export const snapshot = (): ReadonlyArray<MetricPair.MetricPair.Untyped> => {
  for (const settle of settling) settle()
  return Metric.unsafeSnapshot()
}

/**
 * A counter with one label, whose values are all known. Every series exists at 0 from the
 * start, so that a rate over a quiet one has data; an update is one synchronous call.
 */
export const counterFamily = <const Value extends string>(
  name: string,
  help: string,
  label: string,
  values: ReadonlyArray<Value>
): ((value: Value, by?: number) => void) => {
  const counter = Metric.counter(name, { description: help, incremental: true })
  // A series is found by the identity of its labels; `Metric.tagged` would build and hash a
  // new key for every update.
  const series = new Map(values.map((value) => [value, [MetricLabel.make(label, value)]]))
  for (const labels of series.values()) counter.unsafeValue(labels)
  return (value, by = 1) => {
    const labels = series.get(value)
    if (labels !== undefined) counter.unsafeUpdate(by, labels)
  }
}
