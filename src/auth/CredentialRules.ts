/** By what every credential is judged before the operator gives it out, whichever its kind. */
import { Data, Effect, Either, Option } from "effect"
import type { Refusal } from "./Ownership.ts"
import * as Subject from "./Subject.ts"

/** Why a credential was not given out; `message` is for the operator. */
export class CredentialRefused extends Data.TaggedError("CredentialRefused")<{
  /** What was asked for makes no sense, or what is held already forbids it. */
  readonly reason: "invalid" | "held"
  readonly message: string
}> {}

export const invalid = (message: string) => new CredentialRefused({ reason: "invalid", message })
export const held = (message: string) => new CredentialRefused({ reason: "held", message })

export const ownership = (subject: string, reason: Refusal): CredentialRefused => {
  switch (reason) {
    case "banned":
      return held(`'${subject}' or its key is banned; subject release lifts that`)
    case "taken":
      return held(`'${subject}' belongs to another key; see subject transfer`)
    case "hash-collision":
      return held(`the names of '${subject}' collide with those of another subject`)
  }
}

export const subjectOf = (text: string) =>
  Either.mapLeft(Subject.parse(text), ({ message }) => invalid(message))

export const keyOf = (what: string, text: string) =>
  /^[0-9a-f]{64}$/i.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(invalid(`${what}: 64 hex digits are expected`))

export const checkRates = (...rates: ReadonlyArray<number>) =>
  rates.every((rate) => Number.isFinite(rate) && rate >= 0)
    ? Effect.void
    : Effect.fail(invalid("rate and burst are numbers from 0 on"))

const longestNote = 200

/** A note stands in lists and in the audit, each on one line. */
export const checkNote = (note: string) =>
  note.length <= longestNote && !/\p{Cc}/u.test(note)
    ? Effect.void
    : Effect.fail(invalid(`a note is at most ${longestNote} characters of one line`))

/** A hundred years: dates far beyond have no spelling. */
const longestLife = 36_525 * 86_400

/** When a credential of that many seconds from `now` ends; null never does. */
export const endOf = (
  now: number,
  lifetime: Option.Option<number>
): Effect.Effect<number | null, CredentialRefused> => {
  if (Option.isNone(lifetime)) return Effect.succeed(null)
  return lifetime.value <= longestLife
    ? Effect.succeed(now + lifetime.value)
    : Effect.fail(invalid("a life is at most a hundred years; leave it out for no end"))
}
