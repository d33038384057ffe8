/**
 * Turns a proven Ed25519 key into a credential. Order of checks: form, challenge, signature,
 * and only then anything that depends on who is registered, so that who cannot sign learns
 * nothing about others.
 */
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { BucketOptions } from "../runtime/RateLimiter.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import type { Name } from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { Audit } from "./Audit.ts"
import { AuthConfig } from "./AuthConfig.ts"
import * as AuthMetrics from "./AuthMetrics.ts"
import { type Challenge, Challenges } from "./Challenges.ts"
import * as Lineage from "./Lineage.ts"
import type { Claim, Refusal } from "./Ownership.ts"
import { RegistrationConfig, reservedUntil } from "./RegistrationConfig.ts"
import * as RegisteredKeys from "./RegisteredKeys.ts"
import { possession, proven, refuse, type RegistrationRefused } from "./RegistrationChecks.ts"
import type * as Request from "./RegistrationRequest.ts"
import type * as Subject from "./Subject.ts"
import { TokenCache } from "./TokenCache.ts"
import * as TokenFormat from "./TokenFormat.ts"
import { selfService } from "./TokenRow.ts"
import { TokenStore } from "./TokenStore.ts"
import { TsigKeys } from "./TsigKeys.ts"
import { TsigKeyStore } from "./TsigKeyStore.ts"
import * as TsigMint from "./TsigMint.ts"
import { UpdateConfig } from "./UpdateConfig.ts"

export interface IssuedToken {
  readonly token: Redacted.Redacted
  readonly subject: Subject.Subject
  /** Null never ends. */
  readonly expiresAt: number | null
  readonly ratePerSec: number
  readonly rateBurst: number
}

export interface IssuedTsigKey {
  /** Without trailing dot. */
  readonly name: string
  readonly secret: Redacted.Redacted<Uint8Array>
  readonly algorithm: string
  readonly allowedSuffixes: ReadonlyArray<string>
  readonly subject: Subject.Subject
  readonly zone: Name
  /** 0 never ends. */
  readonly expiresAt: number
}

export interface RegistrationShape {
  /** False answers every route as if it were not there. */
  readonly enabled: boolean
  /** Of each step, per client address. */
  readonly limits: BucketOptions
  readonly tsigEnabled: boolean
  readonly challenge: Effect.Effect<Challenge & { readonly node: string }>
  /** `remote` is the client's address, for the audit. */
  readonly token: (
    fields: Request.Fields,
    remote: string
  ) => Effect.Effect<IssuedToken, RegistrationRefused | StoreError>
  readonly tsigKey: (
    fields: Request.Fields,
    remote: string
  ) => Effect.Effect<IssuedTsigKey, RegistrationRefused | StoreError>
}

const heldByAnother =
  "subject already has a live token; re-registration must be signed with the previously-registered Ed25519 key"

const refusedBy = (reason: Refusal) =>
  reason === "banned"
    ? refuse("banned", "subject or key is not permitted to register")
    : refuse("taken", heldByAnother)

const make = Effect.gen(function* () {
  const auth = yield* AuthConfig
  const config = yield* RegistrationConfig
  const update = yield* UpdateConfig
  const { nodeHostname, servedZone } = yield* ZoneConfig
  const audit = yield* Audit
  const challenges = yield* Challenges
  const cache = yield* TokenCache
  const tokens = yield* TokenStore
  const keys = yield* TsigKeyStore
  const inForce = yield* TsigKeys
  const zone = yield* AnswerIndex
  yield* AuthMetrics.register

  const node = Option.getOrElse(nodeHostname, () => "")
  const verifier = {
    challenges,
    node,
    get allowlist() {
      return config.allowlist
    }
  }
  const enabled = config.enabled && auth.mode === "multi-tenant" && node !== ""
  /** Counts the outcome, and leaves a line about a refusal of somebody who could sign. */
  const reported =
    (success: "token" | "tsig", remote: string) =>
    <A>(effect: Effect.Effect<A, RegistrationRefused | StoreError>) =>
      effect.pipe(
        Effect.tap(() => AuthMetrics.countRegistration(success)),
        Effect.tapError((error) => {
          if (error._tag === "StoreError") return AuthMetrics.countRegistration("store-error")
          const unproven = error.reason === "malformed" || error.reason === "challenge-unknown"
          if (!unproven)
            audit.record({
              event: "registration",
              holder: null,
              remote,
              detail: `${success} refused: ${error.reason}`
            })
          return AuthMetrics.countRegistration(error.reason)
        })
      )

  yield* RegisteredKeys.settle
  yield* RegisteredKeys.count

  const claimOf = (
    request: Request.RegistrationRequest,
    now: number,
    expiresAt: number | null
  ): Effect.Effect<Claim & { readonly spk: string }, StoreError> =>
    Effect.gen(function* () {
      const { subject } = request
      const spk = Buffer.from(request.spk).toString("hex")
      const held = yield* tokens.findOwner(subject)
      const values: Lineage.Values = (owner) => zone.live(owner, now).map(({ value }) => value)
      const own = held?.spk === spk
      return {
        subject,
        spk,
        now,
        reservedUntil: reservedUntil(config, expiresAt),
        predecessors: own ? [] : Lineage.predecessors(subject, spk, values, now),
        published: own ? [] : [...Lineage.identityKeys(subject, values)]
      }
    })

  /** What the former key's holder signed with must not outlive a hand-over. */
  const endFormerKeys = (claim: Claim) =>
    claim.predecessors.length === 0
      ? Effect.void
      : Effect.flatMap(TsigMint.revokeOthers(keys, claim), Effect.forEach(inForce.reread))

  const token = (fields: Request.Fields) =>
    Effect.gen(function* () {
      const request = yield* proven(verifier, fields)
      const now = yield* UnixTime.now
      const expiresAt = config.lifetime === 0 ? null : now + config.lifetime
      const claim = yield* claimOf(request, now, expiresAt)
      const secret = yield* TokenFormat.generate
      const row = {
        tokenHash: TokenFormat.hash(Redacted.value(secret)),
        subject: request.subject,
        subjectType: 1,
        subjectHash12: null,
        ratePerSec: config.issuedRate,
        rateBurst: config.issuedBurst,
        issuedAt: now,
        expiresAt,
        revokedAt: null,
        issuer: selfService,
        note: "",
        registeredSpk: claim.spk
      }
      const outcome = yield* cache.mint("register", row, claim)
      if (outcome._tag === "Refused") return yield* refusedBy(outcome.reason)
      yield* endFormerKeys(claim)
      return {
        token: secret,
        subject: request.subject,
        expiresAt,
        ratePerSec: config.issuedRate,
        rateBurst: config.issuedBurst
      }
    })

  const tsigKey = (fields: Request.Fields, remote: string) =>
    Effect.gen(function* () {
      if (Option.isNone(servedZone))
        return yield* Effect.dieMessage("TSIG registration without a zone")
      const request = yield* proven(verifier, fields)
      const x25519Pub = yield* possession(verifier, fields, request)
      const now = yield* UnixTime.now
      const expiresAt = config.lifetime === 0 ? null : now + config.lifetime
      const claim = yield* claimOf(request, now, expiresAt)
      const key = TsigMint.make({
        subject: request.subject,
        spk: claim.spk,
        x25519Pub,
        zone: servedZone.value,
        width: update.scopeWidth,
        now,
        expiresAt
      })
      if (key === undefined)
        return yield* refuse(
          "malformed",
          `subject local part too long for TSIG key label (max ${TsigMint.maxLocal} chars)`
        )
      const taken = yield* cache.claim(claim)
      if (taken._tag === "Refused") return yield* refusedBy(taken.reason)
      if (!(yield* TsigMint.put(keys, key))) return yield* refusedBy("taken")
      // From the answer on, the new secret signs and the one in its place does not.
      yield* inForce.reread(key.name)
      // A ban or transfer in another process may have fallen between the two stores.
      const owner = yield* tokens.findOwner(request.subject)
      if (owner === undefined || owner.spk !== claim.spk || owner.bannedAt !== null) {
        yield* keys.revoke(key.name)
        yield* inForce.reread(key.name)
        return yield* refusedBy(owner?.bannedAt ? "banned" : "taken")
      }
      yield* endFormerKeys(claim)
      audit.record({
        event: "issued",
        holder: { tokenHash: null, subject: request.subject },
        remote,
        detail: `${selfService}: TSIG key ${key.name}`
      })
      return {
        name: key.name,
        secret: Redacted.make(key.secret),
        algorithm: key.algorithm,
        allowedSuffixes: key.allowedSuffixes,
        subject: request.subject,
        zone: servedZone.value,
        expiresAt: key.expiresAt
      }
    })

  return {
    enabled,
    limits: { rate: config.endpointRate, burst: config.endpointBurst },
    tsigEnabled: enabled && update.updateEnabled && Option.isSome(servedZone),
    challenge: Effect.zipRight(
      AuthMetrics.countRegistration("challenge"),
      Effect.map(challenges.issue, (challenge) => ({ ...challenge, node }))
    ),
    token: (fields, remote) => reported("token", remote)(Effect.uninterruptible(token(fields))),
    tsigKey: (fields, remote) =>
      reported("tsig", remote)(Effect.uninterruptible(tsigKey(fields, remote)))
  } satisfies RegistrationShape
})

export class Registration extends Context.Tag("dnsmesh/auth/Registration")<
  Registration,
  RegistrationShape
>() {
  static readonly layer = Layer.scoped(Registration, make)
  /** For a node without a token database. */
  static readonly layerDisabled = Layer.succeed(Registration, {
    enabled: false,
    limits: { rate: 0, burst: 0 },
    tsigEnabled: false,
    challenge: Effect.dieMessage("registration is off"),
    token: () => Effect.dieMessage("registration is off"),
    tsigKey: () => Effect.dieMessage("registration is off")
  })
}
