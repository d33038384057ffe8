/**
 * The operator's way to give out credentials and to end them, by the same rules of ownership as
 * registration. A secret leaves here once. What a change ended is refused at once by this
 * process, because it says so to whoever keeps tokens in memory (`TokensChanged`).
 */
import { Context, Data, Effect, Either, Option, Redacted } from "effect"
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
import * as UnixTime from "../runtime/UnixTime.ts"

/** Rereads what is kept of tokens in memory. Nothing is, unless a layer says otherwise. */
export class TokensChanged extends Context.Reference<TokensChanged>()(
  "dnsmesh/auth/TokensChanged",
  { defaultValue: (): Effect.Effect<void, StoreError> => Effect.void }
) {}

/** Why a credential was not given out; `message` is for the operator. */
export class CredentialRefused extends Data.TaggedError("CredentialRefused")<{
  /** What was asked for makes no sense, or what is held already forbids it. */
  readonly reason: "invalid" | "held"
  readonly message: string
}> {}

const invalid = (message: string) => new CredentialRefused({ reason: "invalid", message })
const held = (message: string) => new CredentialRefused({ reason: "held", message })

const ownership = (subject: string, reason: Refusal): CredentialRefused => {
  switch (reason) {
    case "banned":
      return held(`'${subject}' or its key is banned; subject release lifts that`)
    case "taken":
      return held(`'${subject}' belongs to another key; see subject transfer`)
    case "hash-collision":
      return held(`the names of '${subject}' collide with those of another subject`)
  }
}

const subjectOf = (text: string) =>
  Either.mapLeft(Subject.parse(text), ({ message }) => invalid(message))

const keyOf = (what: string, text: string) =>
  /^[0-9a-f]{64}$/i.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(invalid(`${what}: 64 hex digits are expected`))

export interface TokenRequest {
  readonly subject: string
  /** Seconds; none never ends. */
  readonly lifetime: Option.Option<number>
  /** Writes per second and at once; 0 lifts the limit. */
  readonly ratePerSec: number
  readonly rateBurst: number
  readonly note: string
  /** X25519 key in hex whose `pk-` names the token may write; empty for none. */
  readonly prekeyPub: string
  /** Who gives it out, for the audit. */
  readonly issuer: string
}

export interface IssuedToken {
  readonly token: Redacted.Redacted
  readonly row: TokenRow
}

/** What was not asked to change is as it was. */
export interface Rotation {
  readonly subject: string
  readonly lifetime: Option.Option<number>
  readonly ratePerSec: Option.Option<number>
  readonly rateBurst: Option.Option<number>
  readonly issuer: string
}

/** What a token may do per second and at once, when nobody says. */
export const defaultRates = { ratePerSec: 10, rateBurst: 50 }

const checkRates = (...rates: ReadonlyArray<number>) =>
  rates.every((rate) => Number.isFinite(rate) && rate >= 0)
    ? Effect.void
    : Effect.fail(invalid("rate and burst are numbers from 0 on"))

/** Makes a token of what `row` says; yields it, and how many it put out of use. */
const mint = (kind: "issue" | "rotate", described: Omit<TokenRow, "tokenHash">) =>
  Effect.gen(function* () {
    const store = yield* TokenStore
    const token = yield* TokenFormat.generate
    const row: TokenRow = { ...described, tokenHash: TokenFormat.hash(Redacted.value(token)) }
    const outcome = yield* store.mint(kind, row, {
      subject: row.subject,
      spk: null,
      now: row.issuedAt,
      reservedUntil: reservedUntil(yield* RegistrationConfig, row.expiresAt),
      predecessors: [],
      published: []
    })
    if (outcome._tag === "Refused") return yield* ownership(row.subject, outcome.reason)
    yield* yield* TokensChanged
    return { token, row, revoked: outcome.superseded.length }
  })

/** One more token for the subject, which it reserves. */
export const issueToken = Effect.fn("Credentials.issueToken")(function* (request: TokenRequest) {
  const { issuer, lifetime, note, prekeyPub, rateBurst, ratePerSec } = request
  yield* checkRates(ratePerSec, rateBurst)
  const subject = yield* subjectOf(request.subject)
  const now = yield* UnixTime.now
  const prekey = prekeyPub === "" ? undefined : yield* keyOf("X25519 key", prekeyPub)
  return yield* mint("issue", {
    subject,
    subjectType: 1,
    subjectHash12: prekey === undefined ? null : Subject.hexHash(12, Buffer.from(prekey, "hex")),
    ratePerSec,
    rateBurst,
    issuedAt: now,
    expiresAt: Option.getOrNull(Option.map(lifetime, (seconds) => now + seconds)),
    revokedAt: null,
    issuer,
    note,
    registeredSpk: null
  })
})

/** One new token in the place of every token of the subject. */
export const rotateToken = Effect.fn("Credentials.rotateToken")(function* (request: Rotation) {
  yield* checkRates(...Option.toArray(request.ratePerSec), ...Option.toArray(request.rateBurst))
  const subject = yield* subjectOf(request.subject)
  const now = yield* UnixTime.now
  const store = yield* TokenStore
  const [latest] = yield* store.listTokens({ subject, includeRevoked: false })
  const kept =
    latest === undefined || latest.expiresAt === null
      ? Option.none()
      : Option.some(latest.expiresAt - latest.issuedAt)
  const lifetime = Option.orElse(request.lifetime, () => kept)
  const { rateBurst, ratePerSec } = latest ?? defaultRates
  return yield* mint("rotate", {
    subject,
    subjectType: 1,
    subjectHash12: latest?.subjectHash12 ?? null,
    ratePerSec: Option.getOrElse(request.ratePerSec, () => ratePerSec),
    rateBurst: Option.getOrElse(request.rateBurst, () => rateBurst),
    issuedAt: now,
    expiresAt: Option.getOrNull(Option.map(lifetime, (seconds) => now + seconds)),
    revokedAt: null,
    issuer: request.issuer,
    note: "rotation",
    registeredSpk: latest?.registeredSpk ?? null
  })
})

/** False when there is no live token of this hash. */
export const revokeToken = Effect.fn("Credentials.revokeToken")(function* (tokenHash: string) {
  const store = yield* TokenStore
  const done = yield* store.revoke(tokenHash, yield* UnixTime.now)
  yield* yield* TokensChanged
  return done
})

/** Ends every token and TSIG key of the subject, which stays with its key; yields how many. */
export const revokeSubject = Effect.fn("Credentials.revokeSubject")(function* (text: string) {
  const subject = yield* subjectOf(text)
  // Tokens first, which stops new credentials.
  const tokens = yield* (yield* TokenStore).revokeSubject(subject, yield* UnixTime.now)
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
  if (Option.isNone(servedZone)) return yield* held("the node serves no zone; set DMP_SERVED_ZONE")
  const subject = yield* subjectOf(request.subject)
  const tokens = yield* TokenStore
  const now = yield* UnixTime.now
  const expiresAt = Option.getOrNull(Option.map(request.lifetime, (seconds) => now + seconds))
  const spk =
    request.spk === ""
      ? ((yield* tokens.findOwner(subject))?.spk ?? undefined)
      : yield* keyOf("Ed25519 key", request.spk)
  if (spk === undefined)
    return yield* invalid(`'${subject}' has no Ed25519 key yet: one is needed here`)
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
    return yield* invalid(`'${subject}' is too long for the name of a TSIG key`)
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
    return yield* held(`${key.name} is the key of another subject`)
  return key
})

/** False when there is no such live key. */
export const revokeTsigKey = (name: string) =>
  Effect.flatMap(TsigKeyStore, (store) => store.revoke(name))
