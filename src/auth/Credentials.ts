/**
 * The operator's way to give out credentials and to end them, by the same rules of ownership as
 * registration. A secret leaves here once. What a change ended is refused at once by this
 * process, because it says so to whoever keeps tokens in memory (`TokensChanged`).
 */
import { Effect, Option, Redacted } from "effect"
import { checkNote, checkRates, endOf, keyOf, ownership, subjectOf } from "./CredentialRules.ts"
import { TokensChanged } from "./CredentialsChanged.ts"
import { RegistrationConfig, reservedUntil } from "./RegistrationConfig.ts"
import * as Subject from "./Subject.ts"
import * as TokenFormat from "./TokenFormat.ts"
import { isLive, type TokenRow } from "./TokenRow.ts"
import { TokenStore } from "./TokenStore.ts"
import * as TsigCredentials from "./TsigCredentials.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

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
export interface Successor {
  readonly lifetime: Option.Option<number>
  readonly ratePerSec: Option.Option<number>
  readonly rateBurst: Option.Option<number>
  readonly issuer: string
}

export interface Rotation extends Successor {
  readonly subject: string
}

/** What a token may do per second and at once, when nobody says. */
export const defaultRates = { ratePerSec: 10, rateBurst: 50 }

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
  yield* checkNote(note)
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
    expiresAt: yield* endOf(now, lifetime),
    revokedAt: null,
    issuer,
    note,
    registeredSpk: null
  })
})

/** What comes after `held`, which may be nothing yet. */
const successor = Effect.fnUntraced(function* (
  subject: Subject.Subject,
  held: TokenRow | undefined,
  asked: Successor
) {
  yield* checkRates(...Option.toArray(asked.ratePerSec), ...Option.toArray(asked.rateBurst))
  const now = yield* UnixTime.now
  const kept =
    held === undefined || held.expiresAt === null
      ? Option.none()
      : Option.some(held.expiresAt - held.issuedAt)
  const { rateBurst, ratePerSec } = held ?? defaultRates
  return {
    subject,
    subjectType: 1,
    subjectHash12: held?.subjectHash12 ?? null,
    ratePerSec: Option.getOrElse(asked.ratePerSec, () => ratePerSec),
    rateBurst: Option.getOrElse(asked.rateBurst, () => rateBurst),
    issuedAt: now,
    expiresAt: yield* endOf(
      now,
      Option.orElse(asked.lifetime, () => kept)
    ),
    revokedAt: null,
    issuer: asked.issuer,
    note: "rotation",
    registeredSpk: held?.registeredSpk ?? null
  }
})

/** One new token in the place of every token of the subject. */
export const rotateToken = Effect.fn("Credentials.rotateToken")(function* (request: Rotation) {
  const subject = yield* subjectOf(request.subject)
  const store = yield* TokenStore
  const [latest] = yield* store.listTokens({ subject, includeRevoked: false })
  return yield* mint("rotate", yield* successor(subject, latest, request))
})

/**
 * One new token in the place of a live one, of which the subject may have others; none when there
 * is no such. The old one ends second, so that its holder is never without.
 */
export const replaceToken = Effect.fn("Credentials.replaceToken")(function* (
  tokenHash: string,
  asked: Successor
) {
  const store = yield* TokenStore
  const now = yield* UnixTime.now
  const old = (yield* store.listTokens({ includeRevoked: false })).find(
    (row) => row.tokenHash === tokenHash && isLive(row, now)
  )
  if (old === undefined) return Option.none<IssuedToken>()
  const issued: IssuedToken = yield* mint("issue", yield* successor(old.subject, old, asked))
  if (yield* revokeToken(tokenHash)) return Option.some(issued)
  // Somebody ended it meanwhile, and meant what they did.
  yield* revokeToken(issued.row.tokenHash)
  return Option.none<IssuedToken>()
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
  return tokens + (yield* TsigCredentials.revokeAll(subject))
})
