/** What a driver's error says about the disk and the file, in the words of the contracts. */
import { SqlError } from "@effect/sql/SqlError"
import { Effect, Predicate } from "effect"
import { StoreError } from "../zone/RecordStore.ts"

/** SQLite's result code behind a failure, such as `SQLITE_IOERR_FSYNC`; empty when there is none. */
export const codeOf = (error: unknown): string => {
  if (error instanceof SqlError) return codeOf(error.cause)
  return Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : ""
}

/** The driver's own sentence, below the wrappers. */
export const messageOf = (error: unknown): string => {
  if (error instanceof SqlError && error.cause !== undefined) return messageOf(error.cause)
  return error instanceof Error ? error.message : String(error)
}

const reasons: ReadonlyArray<readonly [prefix: string, reason: StoreError["reason"]]> = [
  ["SQLITE_FULL", "disk-full"],
  ["SQLITE_IOERR", "io"],
  ["SQLITE_CANTOPEN", "io"],
  ["SQLITE_BUSY", "locked"],
  ["SQLITE_LOCKED", "locked"],
  ["SQLITE_READONLY", "read-only"],
  ["SQLITE_CORRUPT", "corrupt"],
  ["SQLITE_NOTADB", "corrupt"]
]

export const reasonOf = (error: unknown): StoreError["reason"] => {
  const code = codeOf(error)
  const known = reasons.find(([prefix]) => code.startsWith(prefix))
  if (known !== undefined) return known[1]
  return messageOf(error).includes("connection is not open") ? "closed" : "other"
}

export const toStoreError = (error: unknown): StoreError => {
  const code = codeOf(error)
  const message = messageOf(error)
  return new StoreError({
    reason: reasonOf(error),
    message: code === "" ? message : `${message} (${code})`
  })
}

/** Turns whatever the driver failed with into a `StoreError`. */
export const asStoreError: <A, E, R>(
  effect: Effect.Effect<A, E, R>
) => Effect.Effect<A, StoreError, R> = Effect.mapError(toStoreError)
