/**
 * A request's credentials in, what it may do out. Reading records and metrics takes the
 * operator's token wherever one is set; who may write depends on the mode.
 */
import { Context, Effect, Layer, Option } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import * as OperatorToken from "../auth/OperatorToken.ts"
import { TokenAuth, type TokenDenied, type TokenOperation } from "../auth/TokenAuth.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import { forbidden, rateLimited, type Refusal, storeUnavailable, unauthorized } from "./Refusal.ts"

export interface WriteAttempt {
  /** The `Authorization` header as received. */
  readonly authorization: string | undefined
  readonly operation: TokenOperation
  /** As the client spelled it. */
  readonly owner: string
  readonly remote: string
}

export class Authentication extends Context.Tag("dnsmesh/http/Authentication")<
  Authentication,
  {
    /** The grant of a writer. */
    readonly writer: (attempt: WriteAttempt) => Effect.Effect<WriteGrant, Refusal>
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
      const operator = Effect.succeed(WriteGrant.everything("operator"))
      const anybody = Effect.succeed(WriteGrant.open)

      const writer = ({ authorization, operation, owner, remote }: WriteAttempt) => {
        const token = bearer(authorization)
        if (token !== undefined && isOperator(token)) return operator
        if (mode === "open") return anybody
        if (token === undefined) return refuseMissing
        if (mode === "legacy") return refuseRejected
        // User tokens are ASCII; what is not stays distinct and is refused by its shape.
        return Effect.mapError(
          tokens.authorize(token.toString("latin1"), operation, owner, remote),
          refusalOf
        )
      }

      const operatorOnly = (authorization: string | undefined) => {
        if (Option.isNone(operatorToken)) return undefined
        const token = bearer(authorization)
        if (token !== undefined && isOperator(token)) return undefined
        HttpMetrics.authFailure(token === undefined ? "missing" : "rejected")
        return unauthorized
      }

      return { writer, operatorOnly }
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

const refuse = (reason: "missing" | "rejected") =>
  Effect.suspend(() => {
    HttpMetrics.authFailure(reason)
    return Effect.fail(unauthorized)
  })
const refuseMissing = refuse("missing")
const refuseRejected = refuse("rejected")

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
