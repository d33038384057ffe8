/**
 * What a publish over HTTP must look like, and how what stands in its way is told: one rule for
 * a single record and for each record of a batch.
 */
import { Either, Option, Schema } from "effect"
import * as Name from "../wire/Name.ts"
import { type LimitsShape, sizeBroken, ttlBroken } from "../zone/Limits.ts"
import type { Change, PublishError } from "../zone/WriteRequest.ts"
import type { HttpConfigShape } from "./HttpConfig.ts"
import { PublishPayload } from "./RecordsApi.ts"
import * as Refusal from "./Refusal.ts"

/** An owner name as clients spell it: trimmed, without trailing dots. */
export const spelled = (text: string): string => Name.withoutTrailingDots(text.trim())

/** The owner name in the path of a record, as the client spelled it: decoded, then as above. */
export const ownerIn = (path: string, query: string): string => {
  const end = path.endsWith("/") ? path.length - 1 : path.length
  // A query belongs to no record: kept, it makes the name invalid instead of going unnoticed.
  const segment = path.slice("/v1/records/".length, end) + query
  return spelled(
    segment.includes("%")
      ? Either.getOrElse(
          Either.try(() => decodeURIComponent(segment)),
          () => segment
        )
      : segment
  )
}

/** Octets of a body: a single value may fill an RRset; around it stand JSON and the TTL. */
export const bodyCap = (config: HttpConfigShape, limits: LimitsShape): number =>
  Math.max(config.maxBodyBytes, limits.maxRrsetBytes + 1024)

const decodePublish = Schema.decodeUnknownEither(PublishPayload)

/** What may be a payload. */
interface Sent {
  readonly value?: unknown
  readonly ttl?: unknown
}

/**
 * True for most of what clients send, and only for what `PublishPayload` leaves as it is: asking
 * the schema costs more than the rest of a publish. `test/http/Publishing.test.ts` holds them
 * together.
 */
const isDecoded = (sent: Sent): sent is typeof PublishPayload.Type =>
  typeof sent.value === "string" && Number.isSafeInteger(sent.ttl) && Number(sent.ttl) > 0

export const invalidName = Refusal.badRequest("invalid-name", "invalid record name")
const invalidTypes = Refusal.badRequest("invalid-types", "value (str) and ttl (int > 0) required")

/** The change that `payload` asks for at `owner`, as `spelled` has it. */
export const changeOf = (
  owner: string,
  payload: Sent,
  limits: LimitsShape
): Either.Either<Change, Refusal.Refusal> =>
  Either.flatMap(
    isDecoded(payload)
      ? Either.right(payload)
      : Either.mapLeft(decodePublish(payload), () => invalidTypes),
    ({ ttl, value }): Either.Either<Change, Refusal.Refusal> => {
      const name = Name.parse(owner)
      if (Option.isSome(name))
        return Either.right({ _tag: "Add", record: { owner: name.value, value, ttl } })
      const broken = ttlBroken(limits, ttl) ?? sizeBroken(limits.maxValueBytes, value)
      return Either.left(broken === undefined ? invalidName : Refusal.limitExceeded(broken, owner))
    }
  )

/** `owner` as the client spelled it. */
export const refusalOf = (error: PublishError, owner: string): Refusal.Refusal => {
  switch (error._tag) {
    case "LimitExceeded":
      return Refusal.limitExceeded(error, owner)
    case "ContentRefused":
      return Refusal.badRequest("content-refused", error.reason)
    case "NotGranted":
      return Refusal.forbidden("forbidden")
    case "PrerequisiteFailed":
      return Refusal.badRequest("prerequisite-failed", error.rcode)
    case "StoreError":
      return Refusal.storeUnavailable(error)
  }
}
