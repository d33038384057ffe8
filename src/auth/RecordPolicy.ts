/**
 * The zone's content policy by the mesh's record types: what claims to be a known record must
 * be a sound one at a name of its kind. Unknown types always pass, so that newer clients
 * work. Invariant: cheap checks come first, signatures last.
 */
import { Effect, Either, Layer } from "effect"
import * as Base64 from "../dmp/Base64.ts"
import * as Bootstrap from "../dmp/Bootstrap.ts"
import * as Chunk from "../dmp/Chunk.ts"
import * as Claim from "../dmp/Claim.ts"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as Hostname from "../dmp/Hostname.ts"
import * as Identity from "../dmp/Identity.ts"
import * as OwnerName from "../dmp/OwnerName.ts"
import * as Prekey from "../dmp/Prekey.ts"
import * as Record from "../dmp/Record.ts"
import * as Revocation from "../dmp/Revocation.ts"
import * as Rotation from "../dmp/Rotation.ts"
import * as SlotManifest from "../dmp/SlotManifest.ts"
import { ContentPolicy, ContentRefused, type ContentVerdict } from "../zone/ContentPolicy.ts"
import { Limits } from "../zone/Limits.ts"
import type { WriteGrant } from "../zone/WriteGrant.ts"
import { AuthConfig, type RecordValidation } from "./AuthConfig.ts"

export interface Options {
  readonly mode: RecordValidation
  /** The general TTL cap (s), which the longer life of some types only ever raises. */
  readonly maxTtl: number
  /** Octets a slot manifest may have; 1024 chunks take 43 940. */
  readonly maxManifestBytes?: number
}

/** Seconds a revocation may stay: it ends no sooner than anything it could contradict. */
const revocationTtl = Record.maxAheadOperator

type Verdict = Either.Either<ContentVerdict, Record.RecordFault | ContentRefused>

const accepted: ContentVerdict = {}
const refuse = (reason: string) => Either.left(new ContentRefused({ reason }))

/** The types that may stand at a name; any but heartbeats where the name is nobody's. */
const typesAt = (name: OwnerName.OwnerName): ReadonlyArray<Record.RecordType> | undefined => {
  switch (name._tag) {
    case "Identity":
    case "AnchoredIdentity":
      return ["identity"]
    case "Prekeys":
      return ["prekey"]
    case "Slot":
      return ["manifest"]
    case "Chunk":
      return ["chunk"]
    case "Claim":
      return ["claim"]
    case "Rotate":
      return ["rotation", "revocation"]
    case "Cluster":
      return ["cluster"]
    case "Bootstrap":
      return ["bootstrap"]
    case "Heartbeat":
    case "Seen":
      return ["heartbeat"]
    case "Other":
      return undefined
  }
}

const belongs = (type: Record.RecordType, owner: string, name: OwnerName.OwnerName): boolean =>
  typesAt(name)?.includes(type) ?? (type !== "heartbeat" || owner.startsWith("_dnsmesh-"))

const subjectKindAt = {
  Identity: "user",
  AnchoredIdentity: "user",
  Cluster: "cluster-operator",
  Bootstrap: "bootstrap-signer"
} as const

/** Judges one value at `owner`; total, and silent about time but for `now` (s). */
export const make = (options: Options): ContentPolicy["Type"] => {
  const { maxManifestBytes = 48_000, maxTtl, mode } = options
  const strict = mode === "strict"
  /** What `sound` yields, when `bound` says that the record fits its owner name. */
  const when = (
    bound: boolean,
    sound: () => Record.Result<unknown>,
    verdict = accepted
  ): Verdict => (bound ? Either.map(sound(), () => verdict) : refuse("owner-mismatch"))

  const check = (
    type: Record.RecordType,
    value: string,
    name: OwnerName.OwnerName,
    now: number,
    { registeredSpk, verified }: WriteGrant
  ): Verdict => {
    /** The costly last check, unless whoever made the grant has made it already. */
    const unless = (verify: () => Record.Result<unknown>) => () =>
      verified?.has(value) === true ? Either.void : verify()
    switch (type) {
      case "identity":
        return Either.flatMap(Identity.parse(value), (identity) =>
          when(
            name._tag !== "Identity" ||
              OwnerName.hex16(Buffer.from(identity.username)) === name.hash16,
            unless(() => Identity.verify(value)),
            { supersedes: (held) => supersedes(identity, held) }
          )
        )
      case "manifest":
        return Either.flatMap(SlotManifest.parse(value), ({ recipientId, senderSpk }) => {
          const sender = Buffer.from(senderSpk).toString("hex")
          if (strict && registeredSpk !== undefined && registeredSpk !== sender)
            return refuse("sender-mismatch")
          return when(
            name._tag !== "Slot" || OwnerName.hex12(recipientId) === name.mailbox,
            // A manifest that is over passes: senders' clocks may be behind by its five minutes.
            unless(() => SlotManifest.verify(value, now)),
            { maxValueBytes: maxManifestBytes }
          )
        })
      case "claim":
        return Either.flatMap(Claim.parse(value), ({ slot }) =>
          when(
            name._tag !== "Claim" || slot === name.slot,
            unless(() => Claim.verify(value, now))
          )
        )
      case "rotation":
        return Either.flatMap(Rotation.parse(value), ({ subject }) =>
          when(
            subjectFits(subject.kind, name),
            unless(() => Rotation.verify(value, now))
          )
        )
      case "revocation":
        return Either.flatMap(Revocation.parse(value), ({ subject }) =>
          when(
            subjectFits(subject.kind, name),
            unless(() => Revocation.verify(value, now)),
            { maxTtl: Math.max(maxTtl, revocationTtl) }
          )
        )
      case "heartbeat":
        return Either.map(Heartbeat.verify(value, now, Heartbeat.relayedSkew), () => accepted)
      case "prekey":
        return Either.flatMap(Prekey.parse(value), ({ exp }) =>
          exp - now > Record.maxAhead ? Record.fault("too-far-future") : Either.right(accepted)
        )
      case "chunk":
        return Either.map<unknown, ContentVerdict>(() => accepted)(
          unless(() => (strict ? Chunk.verify(value) : Chunk.parse(value)))()
        )
      case "cluster":
        return Either.flatMap(ClusterManifest.parse(value), ({ clusterName, exp, operatorSpk }) =>
          when(
            name._tag !== "Cluster" || Hostname.same(clusterName, name.name),
            () => (strict ? ClusterManifest.verify(value, operatorSpk, now) : lasting(exp, now)),
            { maxTtl: Math.max(maxTtl, exp - now) }
          )
        )
      case "bootstrap":
        return Either.flatMap(Bootstrap.parse(value), ({ exp, signerSpk, userDomain }) =>
          when(
            name._tag !== "Bootstrap" || Hostname.same(userDomain, name.domain),
            () => (strict ? Bootstrap.verify(value, signerSpk, now) : lasting(exp, now)),
            { maxTtl: Math.max(maxTtl, exp - now) }
          )
        )
    }
  }

  const judge: ContentPolicy["Type"]["judge"] = (owner, value, now, grant) => {
    if (mode === "off") return accepted
    const type = Record.typeOf(value)
    if (type === undefined)
      return strict && OwnerName.isReserved(owner)
        ? new ContentRefused({ reason: "not-a-mesh-record" })
        : accepted
    const name = OwnerName.recognise(owner)
    if (!belongs(type, owner, name)) return new ContentRefused({ reason: "owner-mismatch" })
    if (!isOneSpelling(type, value)) return new ContentRefused({ reason: "base64" })
    const verdict = check(type, value, name, now, grant)
    return Either.isRight(verdict)
      ? verdict.right
      : new ContentRefused({ reason: verdict.left.reason })
  }
  return { judge }
}

/** The policy `DMP_RECORD_VALIDATION` asks for. */
export const layer: Layer.Layer<ContentPolicy, never, AuthConfig | Limits> = Layer.effect(
  ContentPolicy,
  Effect.map(Effect.all([AuthConfig, Limits]), ([auth, limits]) =>
    make({ mode: auth.recordValidation, maxTtl: limits.maxTtl })
  )
)

const subjectFits = (
  kind: (typeof subjectKindAt)[keyof typeof subjectKindAt],
  name: OwnerName.OwnerName
): boolean => name._tag !== "Rotate" || subjectKindAt[name.of._tag] === kind

const supersedes = (identity: Identity.Identity, held: string): boolean =>
  Either.match(Identity.parse(held), {
    onLeft: () => false,
    onRight: (older) => Identity.supersedes(identity, older)
  })

// What `verify` says of the expiry of operators' records, for those not verified here.
const lasting = (exp: number, now: number): Record.Result<void> => {
  if (exp < now) return Record.fault("expired")
  return exp - now > Record.maxAheadOperator ? Record.fault("too-far-future") : Either.void
}

// Two spellings of one record would be two values of the RRset. Chunks may carry a parameter.
const isOneSpelling = (type: Record.RecordType, value: string): boolean =>
  type === "chunk" || Base64.isCanonical(value.slice(Record.prefixes[type].length))
