/** How a failure looks to whoever started us: one line each on stderr, and a code of sysexits(3). */
import { Cause, Exit } from "effect"
import { AdminFailure } from "./AdminFailure.ts"

/** 64 usage, 69 a listener cannot be had, 74 a database cannot be opened, 78 configuration. */
const codes: Readonly<Record<string, number>> = {
  BindFailed: 69,
  BackupError: 74,
  OpenError: 74,
  StoreError: 74,
  StoreThreadDied: 74,
  ConfigMistakes: 78
}

const tagOf = (failure: unknown): string =>
  typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : ""

export const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return 0
  const failure = Cause.failureOption(exit.cause)
  if (failure._tag === "Some" && failure.value instanceof AdminFailure)
    return failure.value.exitCode
  return failure._tag === "Some" ? (codes[tagOf(failure.value)] ?? 1) : 1
}

/** What to print of a failure; a defect is shown whole, because it is ours to mend. */
export const explain = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => {
  if (Cause.isInterruptedOnly(cause)) return []
  const failure = Cause.failureOption(cause)
  if (failure._tag === "None") return [Cause.pretty(cause)]
  const { value } = failure
  if (value instanceof AdminFailure) return value.message === "" ? [] : [value.message]
  const text = value instanceof Error ? value.message : String(value)
  return text.split("\n").map((line) => `dnsmesh-node: ${line}`)
}
