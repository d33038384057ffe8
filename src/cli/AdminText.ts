/** How the operator's commands read durations and write times, tables and JSON. */
import { Console, Effect, Option } from "effect"
import type { CredentialRefused } from "../auth/CredentialRules.ts"
import * as Subject from "../auth/Subject.ts"
import * as Lifetime from "../runtime/Lifetime.ts"
import { type AdminFailure, failed, usage } from "./AdminFailure.ts"

/** The value of `--expires` in seconds, if it was given. */
export const expiresOption = (text: Option.Option<string>) => durationOption("expires", text)

/** The value of an option that takes a duration, in seconds, if it was given. */
export const durationOption = (
  option: string,
  text: Option.Option<string>
): Effect.Effect<Option.Option<number>, AdminFailure> =>
  Option.match(text, {
    onNone: () => Effect.succeedNone,
    onSome: (given) =>
      Effect.asSome(
        Effect.mapError(Lifetime.parse(given), (problem) => usage(`error: --${option}: ${problem}`))
      )
  })

export const subjectArgument = (text: string): Effect.Effect<Subject.Subject, AdminFailure> =>
  Effect.mapError(Subject.parse(text), ({ message }) => usage(`error: ${message}`))

/** A key of 32 octets in hex, in lower case. */
export const keyOption = (option: string, text: string): Effect.Effect<string, AdminFailure> =>
  /^[0-9a-fA-F]{64}$/.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(usage(`error: --${option}: expected 32 bytes in hex`))

/** `YYYY-MM-DDTHH:MM:SSZ` in UTC, or `-` for what never comes. */
export const time = (seconds: number | null): string =>
  seconds === null ? "-" : new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z")

export const printJson = (value: unknown): Effect.Effect<void> =>
  Console.log(JSON.stringify(value, null, 2))

/** Columns of 20, two spaces apart. */
export const tableLine = (cells: ReadonlyArray<string>): string =>
  cells.map((cell) => cell.padEnd(20)).join("  ")

/** Whoever is at the keyboard, as the audit names them. */
export const operator = (): string => `admin:${process.env["USER"] || "unknown"}`

/** A store's refusal to serve, for the operator. */
export const storeFailed = (error: { readonly message: string }): AdminFailure =>
  failed(`error: ${error.message}`)

/** A credential that was not given out, for the operator. */
export const credentialRefused = ({ message, reason }: CredentialRefused): AdminFailure =>
  (reason === "invalid" ? usage : failed)(`error: ${message}`)
