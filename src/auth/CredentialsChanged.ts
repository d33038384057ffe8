/**
 * How whoever changed credentials tells those who keep them in memory, so that what has ended is
 * refused at once. Nothing is kept, unless a layer says otherwise.
 */
import { Context, Effect } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"

/** Rereads what is kept of tokens. */
export class TokensChanged extends Context.Reference<TokensChanged>()(
  "dnsmesh/auth/TokensChanged",
  { defaultValue: (): Effect.Effect<void, StoreError> => Effect.void }
) {}

/** Rereads what is kept of TSIG keys. */
export class TsigKeysChanged extends Context.Reference<TsigKeysChanged>()(
  "dnsmesh/auth/TsigKeysChanged",
  { defaultValue: (): Effect.Effect<void, StoreError> => Effect.void }
) {}
