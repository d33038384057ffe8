/** Spans of time as people read them. */

const steps: ReadonlyArray<readonly [unit: string, seconds: number]> = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1]
]

/** `seconds` in its largest whole unit: `90s` is `1m`. Nothing is less than `0s`. */
export const span = (seconds: number): string => {
  const whole = Math.max(0, Math.floor(seconds))
  const [unit, size] = steps.find(([, size]) => whole >= size) ?? ["s", 1]
  return `${Math.floor(whole / size)}${unit}`
}

/** `YYYY-MM-DD HH:MM:SS` in UTC. */
export const utc = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")
