/** What the doctor found, one fact each; whatever is not in order comes with its remedy. */

export type Level = "ok" | "warn" | "fail" | "unknown"

export interface Finding {
  /** Lower case with hyphens. */
  readonly check: string
  readonly level: Level
  readonly message: string
  /** What to do about it; empty when there is nothing to do. */
  readonly remedy: string
}

export const ok = (check: string, message: string): Finding => ({
  check,
  level: "ok",
  message,
  remedy: ""
})

const withRemedy =
  (level: Level) =>
  (check: string, message: string, remedy: string): Finding => ({ check, level, message, remedy })

/** Works, but should not stay so. */
export const warn = withRemedy("warn")
/** Does not work. */
export const fail = withRemedy("fail")
/** Cannot be seen from here; the remedy says how to see it. */
export const unknown = withRemedy("unknown")

const mark: Readonly<Record<Level, string>> = {
  ok: "ok  ",
  warn: "WARN",
  fail: "FAIL",
  unknown: "?   "
}

/** For people: a line a finding, its remedy below. */
export const asText = (findings: ReadonlyArray<Finding>): string => {
  const width = Math.max(0, ...findings.map(({ check }) => check.length))
  return findings
    .map(({ check, level, message, remedy }) => {
      const line = `${mark[level]}  ${check.padEnd(width)}  ${message}`
      return remedy === "" ? line : `${line}\n${" ".repeat(width + 8)}→ ${remedy}`
    })
    .join("\n")
}
