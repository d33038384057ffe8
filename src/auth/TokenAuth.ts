/**
 * What the HTTP front asks about a per-user token. `auth/Tokens` answers from what it holds in
 * memory, at once, because every publish asks; a node without a token store refuses every token. A
 * grant never reaches past its token's scope.
 */
import { Context, Data, Either, Layer } from "effect"
import type { Standing } from "../runtime/RateLimiter.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import type { WriteGrant } from "../zone/WriteGrant.ts"
import type { TokenRow } from "./TokenRow.ts"

export type TokenOperation = "publish" | "delete"

export type Denial =
  /** The token is malformed, unknown, expired or revoked: 401. */
  | { readonly _tag: "Unauthorized" }
  /** The token lives, but not for this owner or operation: 403. `reason` is shown to the client. */
  | { readonly _tag: "Forbidden"; readonly reason: string }
  /** The token's own bucket is empty: 429. `retryAfter` in whole seconds, at least 1. */
  | {
      readonly _tag: "Throttled"
      readonly retryAfter: number
      readonly limit: Standing | undefined
    }

export class TokenDenied extends Data.TaggedError("TokenDenied")<{ readonly denial: Denial }> {}

/** A write let in, and what its token's own bucket has left; nothing where it has no limit. */
export interface Authorized {
  readonly grant: WriteGrant
  readonly limit: Standing | undefined
}

/** Whose token it is. */
export interface Identified {
  readonly row: TokenRow
  readonly limit: Standing | undefined
}

export class TokenAuth extends Context.Tag("dnsmesh/auth/TokenAuth")<
  TokenAuth,
  {
    /**
     * The grant `token` gives for one write. `owner` is the name as the client spelled it,
     * not yet checked; `remote` is the client's address, for the audit. A `StoreError`
     * says that the token store could not be asked.
     */
    readonly authorize: (
      token: string,
      operation: TokenOperation,
      owner: string,
      remote: string
    ) => Either.Either<Authorized, TokenDenied | StoreError>
    /** The living token `token` is; asking spends nothing of it. */
    readonly identify: (
      token: string,
      remote: string
    ) => Either.Either<Identified, TokenDenied | StoreError>
  }
>() {
  /** No token store: every user token is unknown. */
  static readonly layerRefuseAll = Layer.succeed(TokenAuth, {
    authorize: () => Either.left(new TokenDenied({ denial: { _tag: "Unauthorized" } })),
    identify: () => Either.left(new TokenDenied({ denial: { _tag: "Unauthorized" } }))
  })
}
