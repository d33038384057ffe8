/**
 * What a publish over HTTP must look like, and how what stands in its way is told: one rule for
 * a single record and for each record of a batch.
 */
import { Either, Option, Schema } from "effect"
import * as Name from "../wire/Name.ts"
import { type LimitsShape, sizeBroken, ttlBroken } from "../zone/Limits.ts"
import type { Change, PublishError } from "../zone/WriteRequest.ts"
import { PublishPayload } from "./RecordsApi.ts"
import * as Refusal from "./Refusal.ts"

/** An owner name as clients spell it: trimmed, without trailing dots. */
export const spelled = (text: string): string => Name.withoutTrailingDots(text.trim())

const decodePublish = Schema.decodeUnknownEither(PublishPayload)

export const invalidName = Refusal.badRequest("invalid-name", "invalid record name")
const invalidTypes = Refusal.badRequest("invalid-types", "value (str) and ttl (int > 0) required")

/** The change that `payload` asks for at `owner`, as `spelled` has it. */
export const changeOf = (
  owner: string,
  payload: unknown,
  limits: LimitsShape
): Either.Either<Change, Refusal.Refusal> =>
  Either.flatMap(
    Either.mapLeft(decodePublish(payload), () => invalidTypes),
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
