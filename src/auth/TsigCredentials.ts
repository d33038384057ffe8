/**
 * TSIG keys as the operator gives them out, renews and ends them. Like tokens: a secret leaves
 * here once, what a change ended is refused at once by this process, each act leaves its line.
 */
import { Effect, Option } from "effect"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import * as CredentialTrail from "./CredentialTrail.ts"
import { endOf, held, invalid, keyOf, ownership, subjectOf } from "./CredentialRules.ts"
import { TokensChanged, TsigKeysChanged } from "./CredentialsChanged.ts"
import { RegistrationConfig, reservedUntil } from "./RegistrationConfig.ts"
import type { Subject } from "./Subject.ts"
import { TokenStore } from "./TokenStore.ts"
import type { TsigKey } from "./TsigKey.ts"
import { TsigKeyStore } from "./TsigKeyStore.ts"
import * as TsigMint from "./TsigMint.ts"
import { UpdateConfig } from "./UpdateConfig.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export interface TsigRequest {
  readonly subject: string
  /** The holder's Ed25519 key in hex; empty when the subject has one already. */
  readonly spk: string
  /** The holder's X25519 key in hex; empty for none. */
  readonly x25519Pub: string
  readonly lifetime: Option.Option<number>
  /** Who gives it out, for the audit. */
  readonly issuer: string
}

const issuedLine = (key: TsigKey, issuer: string) =>
  CredentialTrail.note("issued", key.subject, `TSIG key ${key.name} issuer='${issuer}'`)

/** A key for the subject, in the place of the one it had under the same Ed25519 key. */
export const issue = Effect.fn("TsigCredentials.issue")(function* (request: TsigRequest) {
  const { servedZone } = yield* ZoneConfig
  if (Option.isNone(servedZone)) return yield* held("the node serves no zone; set DMP_SERVED_ZONE")
  const subject = yield* subjectOf(request.subject)
  const tokens = yield* TokenStore
  const now = yield* UnixTime.now
  const expiresAt = yield* endOf(now, request.lifetime)
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
  yield* issuedLine(key, request.issuer)
  yield* yield* TsigKeysChanged
  return key
})

/** A live key with a new secret; name, scope and end stay. None when there is no such live key. */
export const rotate = Effect.fn("TsigCredentials.rotate")(function* (name: string, issuer: string) {
  const store = yield* TsigKeyStore
  const found = yield* store.find(name)
  const secret = yield* TsigMint.secret
  if (found === undefined || !(yield* store.rekey(name, secret, yield* UnixTime.now)))
    return Option.none<TsigKey>()
  const key: TsigKey = { ...found, secret }
  yield* issuedLine(key, issuer)
  yield* yield* TsigKeysChanged
  return Option.some(key)
})

/** False when there is no such live key. */
export const revoke = Effect.fn("TsigCredentials.revoke")(function* (name: string) {
  const store = yield* TsigKeyStore
  const found = yield* store.find(name)
  if (found === undefined || !(yield* store.revoke(name))) return false
  yield* CredentialTrail.note("revoked", found.subject, `TSIG key ${found.name}`)
  yield* yield* TsigKeysChanged
  return true
})

/** Ends every key of the subject; yields how many. */
export const revokeAll = Effect.fn("TsigCredentials.revokeAll")(function* (subject: Subject) {
  const count = yield* (yield* TsigKeyStore).revokeSubject(subject)
  if (count > 0)
    yield* CredentialTrail.note("revoked", subject, `TSIG keys by_subject count=${count}`)
  yield* yield* TsigKeysChanged
  return count
})
