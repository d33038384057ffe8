/**
 * A request's credentials in, what it may do out, at once and without a fiber. Reading records and
 * metrics takes the operator's token wherever one is set; who may write depends on the mode.
 */
import { Context, Effect, Either, Layer, Option } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import * as OperatorToken from "../auth/OperatorToken.ts"
import { TokenAuth, type TokenDenied, type TokenOperation } from "../auth/TokenAuth.ts"
import type { TokenRow } from "../auth/TokenRow.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import type { RateLimitFields } from "./RateLimitFields.ts"
import { forbidden, rateLimited, type Refusal, storeUnavailable, unauthorized } from "./Refusal.ts"

/** Somebody who may write, before it is said what. */
export interface Writer {
  /** True for the operator, whose batches cost what one request costs. */
  readonly isOperator: boolean
  /** The grant for publishing at `owner`, as the client spelled it. */
  readonly grant: (owner: string) => Either.Either<WriteGrant, Refusal>
}

/** What a request shows of its sender. */
export interface Attempt {
  /** The `Authorization` header as received. */
  readonly authorization: string | undefined
  readonly remote: string
  /** Learns of the token's own limit, where it has one. */
  readonly limits: RateLimitFields
}

export interface WriteAttempt extends Attempt {
  readonly operation: TokenOperation
  /** As the client spelled it. */
  readonly owner: string
}

export class Authentication extends Context.Tag("dnsmesh/http/Authentication")<
  Authentication,
  {
    /** The grant of a writer. */
    readonly writer: (attempt: WriteAttempt) => Either.Either<WriteGrant, Refusal>
    /** Who is about to write more than one record. */
    readonly batchWriter: (attempt: Attempt) => Either.Either<Writer, Refusal>
    /** The token of a user who asks about themselves. */
    readonly user: (attempt: Attempt) => Either.Either<TokenRow, Refusal>
    /** Why the bearer may not read what is the operator's, if so. */
    readonly operatorOnly: (authorization: string | undefined) => Refusal | undefined
  }
>() {
  static readonly layer = Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const { mode, operatorToken } = yield* AuthConfig
      const tokens = yield* TokenAuth
      const isOperator = Option.match(operatorToken, {
        onNone: () => () => false,
        onSome: OperatorToken.matcher
      })
      const operator = Either.right(WriteGrant.everything("operator"))
      const anybody = Either.right(WriteGrant.open)

      const writer = ({
        authorization,
        limits,
        operation,
        owner,
        remote
      }: WriteAttempt): Either.Either<WriteGrant, Refusal> => {
        const token = bearer(authorization)
        if (token !== undefined && isOperator(token)) return operator
        if (mode === "open") return anybody
        if (token === undefined) return refuse("missing")
        if (mode === "legacy") return refuse("rejected")
        // User tokens are ASCII; what is not stays distinct and is refused by its shape.
        const asked = tokens.authorize(token.toString("latin1"), operation, owner, remote)
        if (Either.isRight(asked)) {
          limits.tell("token", asked.right.limit)
          return Either.right(asked.right.grant)
        }
        const error = asked.left
        if (error._tag === "TokenDenied" && error.denial._tag === "Throttled")
          limits.tell("token", error.denial.limit)
        return Either.left(refusalOf(error))
      }

      const batchWriter = (attempt: Attempt): Either.Either<Writer, Refusal> => {
        const token = bearer(attempt.authorization)
        if (token !== undefined && isOperator(token))
          return Either.right({ isOperator: true, grant: () => operator })
        if (mode === "open") return Either.right({ isOperator: false, grant: () => anybody })
        if (token === undefined) return refuse("missing")
        if (mode === "legacy") return refuse("rejected")
        return Either.mapBoth(tokens.identify(token.toString("latin1"), attempt.remote), {
          onRight: () => ({
            isOperator: false,
            grant: (owner: string) => writer({ ...attempt, owner, operation: "publish" })
          }),
          onLeft: refusalOf
        })
      }

      const user = ({
        authorization,
        limits,
        remote
      }: Attempt): Either.Either<TokenRow, Refusal> => {
        const token = bearer(authorization)
        if (token === undefined) return refuse("missing")
        if (isOperator(token)) return Either.left(noAccount)
        return Either.mapBoth(tokens.identify(token.toString("latin1"), remote), {
          onRight: ({ limit, row }) => {
            limits.tell("token", limit)
            return row
          },
          onLeft: refusalOf
        })
      }

      const operatorOnly = (authorization: string | undefined) => {
        if (Option.isNone(operatorToken)) return undefined
        const token = bearer(authorization)
        if (token !== undefined && isOperator(token)) return undefined
        HttpMetrics.authFailure(token === undefined ? "missing" : "rejected")
        return unauthorized
      }

      return { writer, batchWriter, user, operatorOnly }
    })
  )
}

const grammar = /^bearer +(.+)$/i

/** The octets of a bearer token (RFC 6750 §2.1; any case of the scheme, RFC 9110 §11.1). */
const bearer = (authorization: string | undefined): Buffer | undefined => {
  const token = grammar.exec(authorization ?? "")?.[1]
  // node hands header octets over as Latin-1.
  return token === undefined ? undefined : Buffer.from(token, "latin1")
}

const noAccount = forbidden("the operator's token has no account")

const refuse = (reason: "missing" | "rejected"): Either.Either<never, Refusal> => {
  HttpMetrics.authFailure(reason)
  return Either.left(unauthorized)
}

const refusalOf = (error: TokenDenied | StoreError): Refusal => {
  if (error._tag === "StoreError") return storeUnavailable(error)
  switch (error.denial._tag) {
    case "Unauthorized":
      HttpMetrics.authFailure("rejected")
      return unauthorized
    case "Forbidden":
      HttpMetrics.authFailure("forbidden")
      return forbidden(error.denial.reason)
    case "Throttled":
      HttpMetrics.authFailure("throttled")
      return rateLimited("per-token rate limit exceeded", error.denial.retryAfter)
  }
}
