/** How requests about credentials are read, and how what stands in their way is told. */
import { Effect, Either, Option, ParseResult, Schema } from "effect"
import type { CredentialRefused } from "../auth/CredentialRules.ts"
import * as Subject from "../auth/Subject.ts"
import * as Lifetime from "../runtime/Lifetime.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { defaultRows, maxRows } from "./CredentialsApi.ts"
import * as Refusal from "./Refusal.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange } from "./Route.ts"

const bodyCap = 16_384

const bad = (error: string) => Refusal.badRequest("invalid-request", error)

export type Failure = Refusal.Refusal | CredentialRefused | StoreError

export const refusalOf = (error: Failure): Refusal.Refusal => {
  switch (error._tag) {
    case "Refusal":
      return error
    case "StoreError":
      return Refusal.storeUnavailable(error)
    case "CredentialRefused":
      return error.reason === "invalid"
        ? bad(error.message)
        : new Refusal.Refusal({ status: 409, code: "held", error: error.message })
  }
}

/** Decodes what has the members of `schema` and no other; the refusal names the wrong one alone. */
export const strictly = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })
  return (value: unknown): Either.Either<A, Refusal.Refusal> =>
    Either.mapLeft(decode(value), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      const member = String(issue?.path[0] ?? "body").slice(0, 64)
      return bad(`${member}: missing, unknown or of the wrong type`)
    })
}

/** What the body of `exchange` asks for; rates may have fractions. */
export const body = <A>(
  exchange: Exchange,
  decode: (value: unknown) => Either.Either<A, Refusal.Refusal>
): Effect.Effect<A, Refusal.Refusal> =>
  Effect.flatMap(exchange.body(bodyCap), (octets) =>
    Either.flatMap(jsonObject(octets, "any"), decode)
  )

export const lifetime = (
  expires: string | number | undefined
): Either.Either<Option.Option<number>, Refusal.Refusal> =>
  expires === undefined
    ? Either.right(Option.none())
    : Either.mapBoth(Lifetime.parse(String(expires)), {
        onLeft: (why) => bad(`expires: ${why}`),
        onRight: Option.some
      })

/** A segment of a path as it was meant; none when it is no text. */
export const decoded = (segment: string): string | undefined =>
  Either.getOrUndefined(Either.try(() => decodeURIComponent(segment)))

const whole = (text: string | null, fallback: number): number | undefined => {
  if (text === null) return fallback
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined
}

/** Which rows are asked for. */
export const selection = (query: string) =>
  Effect.gen(function* () {
    const asked = new URLSearchParams(query)
    const limit = whole(asked.get("limit"), defaultRows)
    const offset = whole(asked.get("offset"), 0)
    if (limit === undefined || limit < 1 || limit > maxRows || offset === undefined)
      return yield* bad(`limit is a whole number from 1 to ${maxRows}, offset one from 0 on`)
    const all = asked.get("all") ?? "0"
    if (all !== "0" && all !== "1") return yield* bad("all is 1 or 0")
    const text = asked.get("subject")
    const subject =
      text === null
        ? undefined
        : yield* Either.mapLeft(Subject.parse(text), ({ message }) => bad(message))
    return {
      subject,
      all: all === "1",
      page: <A>(rows: ReadonlyArray<A>) => rows.slice(offset, offset + limit)
    }
  })
