/** Reads what a client sends after its headers, up to a cap and within a time; never more. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect, Either } from "effect"
import { invalidBody, type Refusal, requestTimeout } from "./Refusal.ts"

export interface BodyOptions {
  /** Octets. */
  readonly cap: number
  /** Milliseconds from the start of reading to the last octet. */
  readonly patience: number
}

export type Body = Either.Either<Buffer, Refusal>

/** Calls `then` once with the body's octets; chunked or announced, the cap is the same. */
export const take = (
  request: IncomingMessage,
  response: ServerResponse,
  { cap, patience }: BodyOptions,
  then: (body: Body) => void
): void => {
  const length = request.headers["content-length"]
  if (length === undefined && request.headers["transfer-encoding"] === undefined) return then(none)
  if (Number(length) > cap) return then(tooLong)
  // RFC 9110 §10.1.1: only now is the body wanted.
  if (request.headers.expect !== undefined) response.writeContinue()
  const chunks: Array<Buffer> = []
  let size = 0
  // Or the octets would stay with the request for as long as it waits for its commit.
  const finish = (body: Body) => {
    clearTimeout(timer)
    request.off("data", add).off("end", end).off("close", gone)
    then(body)
  }
  const add = (chunk: Buffer) => {
    size += chunk.length
    if (size > cap) finish(tooLong)
    else chunks.push(chunk)
  }
  const end = () =>
    finish(Either.right(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)))
  const gone = () => finish(cut)
  const timer = setTimeout(() => finish(late), patience)
  request.on("data", add).on("end", end).on("close", gone)
}

/** `take` as an effect. */
export const read = (
  request: IncomingMessage,
  response: ServerResponse,
  options: BodyOptions
): Effect.Effect<Buffer, Refusal> =>
  Effect.async((resume) => take(request, response, options, resume))

const none: Body = Either.right(Buffer.alloc(0))
const tooLong: Body = Either.left(invalidBody("body-too-long"))
const late: Body = Either.left(requestTimeout)
const cut: Body = Either.left(invalidBody("body-cut-short"))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The JSON object `octets` spell; no octets spell the empty one. A number written with a
 * fraction or an exponent comes out as NaN: to JSON `60.0` is no integer, to `JSON.parse` it is.
 * With "any" it comes out as `JSON.parse` has it, for bodies too long to be read so slowly.
 */
export const jsonObject = (
  octets: Uint8Array,
  numbers: "integers" | "any" = "integers"
): Either.Either<Readonly<Record<string, unknown>>, Refusal> => {
  if (octets.length === 0) return Either.right({})
  const value = Either.try((): unknown => {
    const text = utf8.decode(octets)
    return numbers === "integers" && mayHoldFraction.test(text)
      ? JSON.parse(text, onlyIntegers)
      : JSON.parse(text)
  })
  return Either.isRight(value) && isObject(value.right)
    ? Either.right(value.right)
    : Either.left(invalidBody())
}

// A reviver makes parsing several times slower. Inside an object every number follows one of
// these; a string that looks like one costs time, nothing else.
const mayHoldFraction = /[:,[]\s*-?\d+[.eE]/

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const onlyIntegers = (_key: string, value: unknown, context?: { readonly source?: string }) =>
  typeof value === "number" && /[.eE]/.test(context?.source ?? "") ? Number.NaN : value
