/** Numbers as the operator reads them. */

const none = "–"

/** A whole number with thin groups of three. */
export const count = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f")

/** Something per second. */
export const rate = (value: number): string =>
  value === 0
    ? "0 /s"
    : value < 10
      ? `${value.toFixed(value < 1 ? 2 : 1)} /s`
      : `${count(value)} /s`

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

export const bytes = (value: number): string => {
  let rest = value
  let unit = 0
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024
    unit++
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`
}

/** A latency in the unit that fits. */
export const seconds = (value: number | undefined): string => {
  if (value === undefined) return none
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`
  if (value < 1) return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`
  return `${value.toFixed(1)} s`
}

/** Width and height of the charts' own space. */
export const chart = { width: 600, height: 80 } as const

/** The line of a chart over its own largest value, newest at the right. */
export const polyline = (series: ReadonlyArray<number>): string => {
  const { height, width } = chart
  const most = Math.max(1e-9, ...series)
  const step = width / 179
  return series
    .map((value, i) => {
      const x = width - (series.length - 1 - i) * step
      return `${x.toFixed(1)},${(height - 3 - (value / most) * (height - 8)).toFixed(1)}`
    })
    .join(" ")
}
