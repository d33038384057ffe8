/**
 * The operator's way to give out credentials and to end them, by the same rules of ownership as
 * registration. A secret leaves here once. What a change ended is refused at once by this
 * process, because it says so to whoever keeps tokens in memory (`TokensChanged`).
 */
import { Clock, Context, Data, Effect, Either, Option, Redacted } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import type { Refusal } from "./Ownership.ts"
import { RegistrationConfig, reservedUntil } from "./RegistrationConfig.ts"
import * as Subject from "./Subject.ts"
import * as TokenFormat from "./TokenFormat.ts"
import type { TokenRow } from "./TokenRow.ts"
import { TokenStore } from "./TokenStore.ts"
import type { TsigKey } from "./TsigKey.ts"
import { TsigKeyStore } from "./TsigKeyStore.ts"
import * as TsigMint from "./TsigMint.ts"
import { UpdateConfig } from "./UpdateConfig.ts"

/** Rereads what is kept of tokens in memory. Nothing is, unless a layer says otherwise. */
export class TokensChanged extends Context.Reference<TokensChanged>()(
  "dnsmesh/auth/TokensChanged",
  { defaultValue: (): Effect.Effect<void, StoreError> => Effect.void }
) {}

/** Why a credential was not given out; `message` is for the operator. */
export class CredentialRefused extends Data.TaggedError("CredentialRefused")<{
  readonly message: string
}> {}

const refused = (message: string) => new CredentialRefused({ message })

const ownership = (subject: string, reason: Refusal): CredentialRefused => {
  switch (reason) {
    case "banned":
      return refused(`'${subject}' or its key is banned`)
    case "taken":
      return refused(`'${subject}' belongs to another key`)
    case "hash-collision":
      return refused(`the names of '${subject}' collide with those of another subject`)
  }
}

const nowSeconds = Effect.map(Clock.currentTimeMillis, (millis) => Math.floor(millis / 1000))

const subjectOf = (text: string) =>
  Either.mapLeft(Subject.parse(text), ({ message }) => refused(message))

const keyOf = (what: string, text: string) =>
  /^[0-9a-f]{64}$/i.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(refused(`${what}: 64 hex digits are expected`))

export interface TokenRequest {
  readonly subject: string
  /** Seconds; none never ends. */
  readonly lifetime: Option.Option<number>
  /** Writes per second and at once; 0 lifts the limit. */
  readonly ratePerSec: number
  readonly rateBurst: number
  readonly note: string
  /** Who gives it out, for the audit. */
  readonly issuer: string
}

export interface IssuedToken {
  readonly token: Redacted.Redacted
  readonly row: TokenRow
}

/** One more token for the subject, which it reserves. */
export const issueToken = Effect.fn("Credentials.issueToken")(function* (request: TokenRequest) {
  const { lifetime, rateBurst, ratePerSec } = request
  if (![ratePerSec, rateBurst].every((rate) => Number.isFinite(rate) && rate >= 0))
    return yield* refused("rate and burst are numbers from 0 on")
  const subject = yield* subjectOf(request.subject)
  const store = yield* TokenStore
  const now = yield* nowSeconds
  const token = yield* TokenFormat.generate
  const row: TokenRow = {
    tokenHash: TokenFormat.hash(Redacted.value(token)),
    subject,
    subjectType: 1,
    subjectHash12: null,
    ratePerSec,
    rateBurst,
    issuedAt: now,
    expiresAt: Option.getOrNull(Option.map(lifetime, (seconds) => now + seconds)),
    revokedAt: null,
    issuer: request.issuer,
    note: request.note,
    registeredSpk: null
  }
  const outcome = yield* store.mint("issue", row, {
    subject,
    spk: null,
    now,
    reservedUntil: reservedUntil(yield* RegistrationConfig, row.expiresAt),
    predecessors: [],
    published: []
  })
  if (outcome._tag === "Refused") return yield* ownership(subject, outcome.reason)
  yield* yield* TokensChanged
  return { token, row } satisfies IssuedToken
})

/** False when there is no live token of this hash. */
export const revokeToken = Effect.fn("Credentials.revokeToken")(function* (tokenHash: string) {
  const store = yield* TokenStore
  const done = yield* store.revoke(tokenHash, yield* nowSeconds)
  yield* yield* TokensChanged
  return done
})

/** Ends every token and TSIG key of the subject, which stays with its key; yields how many. */
export const revokeSubject = Effect.fn("Credentials.revokeSubject")(function* (text: string) {
  const subject = yield* subjectOf(text)
  // Tokens first, which stops new credentials.
  const tokens = yield* (yield* TokenStore).revokeSubject(subject, yield* nowSeconds)
  yield* yield* TokensChanged
  const keys = yield* (yield* TsigKeyStore).revokeSubject(subject)
  return tokens + keys
})

export interface TsigRequest {
  readonly subject: string
  /** The holder's Ed25519 key in hex; empty when the subject has one already. */
  readonly spk: string
  /** The holder's X25519 key in hex; empty for none. */
  readonly x25519Pub: string
  readonly lifetime: Option.Option<number>
}

/** A TSIG key for the subject, in the place of the one it had under the same Ed25519 key. */
export const issueTsigKey = Effect.fn("Credentials.issueTsigKey")(function* (request: TsigRequest) {
  const { servedZone } = yield* ZoneConfig
  if (Option.isNone(servedZone)) return yield* refused("the node serves no zone")
  const subject = yield* subjectOf(request.subject)
  const tokens = yield* TokenStore
  const now = yield* nowSeconds
  const expiresAt = Option.getOrNull(Option.map(request.lifetime, (seconds) => now + seconds))
  const spk =
    request.spk === ""
      ? ((yield* tokens.findOwner(subject))?.spk ?? undefined)
      : yield* keyOf("Ed25519 key", request.spk)
  if (spk === undefined)
    return yield* refused(`'${subject}' has no Ed25519 key yet: one is needed here`)
  const key: TsigKey | undefined = TsigMint.make({
    subject,
    spk,
    x25519Pub: request.x25519Pub === "" ? undefined : yield* keyOf("X25519 key", request.x25519Pub),
    zone: servedZone.value,
    width: (yield* UpdateConfig).scopeWidth,
    now,
    expiresAt
  })
  if (key === undefined)
    return yield* refused(`'${subject}' is too long for the name of a TSIG key`)
  const claimed = yield* tokens.claim({
    subject,
    spk,
    now,
    reservedUntil: reservedUntil(yield* RegistrationConfig, expiresAt),
    predecessors: [],
    published: []
  })
  if (claimed._tag === "Refused") return yield* ownership(subject, claimed.reason)
  yield* yield* TokensChanged
  if (!(yield* TsigMint.put(yield* TsigKeyStore, key)))
    return yield* refused(`${key.name} is the key of another subject`)
  return key
})

/** False when there is no such live key. */
export const revokeTsigKey = (name: string) =>
  Effect.flatMap(TsigKeyStore, (store) => store.revoke(name))
