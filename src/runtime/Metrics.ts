/** Counters for paths too hot for an effect per event. */
import { Metric } from "effect"

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
  const series = new Map(
    values.map((value) => [value, Metric.tagged(counter, label, value).register()])
  )
  return (value, by = 1) => series.get(value)?.unsafeUpdate(by, [])
}
