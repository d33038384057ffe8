/**
 * What may be taken over from a peer, and as what. A peer is trusted to have records, not to
 * have checked them: hash, owner, type, signature, zone and lifetime are judged here, and the
 * publisher judges again what it judges of every writer.
 */
import { Either } from "effect"
import * as Bootstrap from "../dmp/Bootstrap.ts"
import * as Claim from "../dmp/Claim.ts"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as ImportCheck from "../dmp/ImportCheck.ts"
import * as OwnerName from "../dmp/OwnerName.ts"
import * as Record from "../dmp/Record.ts"
import * as Rotation from "../dmp/Rotation.ts"
import * as SlotManifest from "../dmp/SlotManifest.ts"
import * as Name from "../wire/Name.ts"
import { valueHash } from "../zone/ValueHash.ts"

export interface Candidate {
  /** As the peer spells it. */
  readonly name: string
  readonly value: string
  /** What the value must hash to: the peer's own digest said so. */
  readonly hash: string
  /** Seconds left. */
  readonly ttl: number
  /** When it was written, by our clock (s), if the peer says. */
  readonly createdAt: number | undefined
}

export interface Facts {
  /** Unix seconds. */
  readonly now: number
  readonly maxTtl: number
  /** True for owner names taken over at all. */
  readonly inZone: (owner: Name.Name) => boolean
  readonly operatorSpk: Uint8Array | undefined
  /** Heartbeats travel between nodes of this release only. */
  readonly acceptsHeartbeats: boolean
  /** True for this node's own heartbeats, which only it may publish. */
  readonly isOwnHeartbeat: (heartbeat: Heartbeat.Heartbeat) => boolean
  readonly isDead: (owner: string, hash: string) => boolean
}

export interface Import {
  readonly owner: Name.Name
  readonly value: string
  /** Seconds. */
  readonly ttl: number
  /** Unix seconds. */
  readonly createdAt: number
  /** True when the record's own signed expiry was checked and rules instead of the TTL cap. */
  readonly outlivesCap: boolean
  /** True when its signature was checked here and need not be again. */
  readonly verified: boolean
  readonly heartbeat: Heartbeat.Heartbeat | undefined
}

export interface Refused {
  readonly reason: string
  /** True when it may be fit at another time. */
  readonly retry: boolean
}

const never = (reason: string) => Either.left<Refused>({ reason, retry: false })
const later = (reason: string) => Either.left<Refused>({ reason, retry: true })

/** Where each type may stand; any type but heartbeats also at names that are nobody's. */
const homes: Readonly<Record<Record.RecordType, ReadonlyArray<OwnerName.OwnerName["_tag"]>>> = {
  identity: ["Identity", "AnchoredIdentity"],
  prekey: ["Prekeys"],
  manifest: ["Slot"],
  chunk: ["Chunk"],
  claim: ["Claim"],
  rotation: ["Rotate"],
  revocation: ["Rotate"],
  cluster: ["Cluster"],
  bootstrap: ["Bootstrap"],
  heartbeat: ["Heartbeat"]
}

const belongs = (type: Record.RecordType, owner: Name.Name): boolean => {
  const { _tag } = OwnerName.recognise(owner)
  return homes[type].includes(_tag) || (_tag === "Other" && !OwnerName.isReserved(owner))
}

/** Seconds a record may live at most, if its type has a rule of its own. */
const signedLife = (
  type: Record.RecordType | undefined,
  value: string,
  facts: Facts
): number | undefined => {
  const left = (result: Record.Result<{ readonly exp: number }>) =>
    Either.match(result, { onLeft: () => 0, onRight: ({ exp }) => exp - facts.now })
  switch (type) {
    case "claim":
      return left(Claim.parse(value))
    case "cluster":
      return left(ClusterManifest.parse(value))
    case "bootstrap":
      return left(Bootstrap.parse(value))
    case "heartbeat":
      return left(Heartbeat.parse(value))
    case "rotation":
      return left(Rotation.parse(value))
    case "manifest":
      // Publishers may be behind by as much, and readers take one that is over for as long.
      return left(SlotManifest.parse(value)) + Record.maxSkew
    case "revocation":
      return Record.maxAheadOperator
    default:
      return undefined
  }
}

const outlives: ReadonlySet<Record.RecordType | undefined> = new Set<Record.RecordType | undefined>(
  ["cluster", "bootstrap", "rotation", "revocation"]
)

/** Judges one row; cheap checks first, signatures last. */
export const judge = (row: Candidate, facts: Facts): Either.Either<Import, Refused> => {
  const parsed = Name.parse(row.name)
  if (parsed._tag === "None") return never("owner")
  const owner = parsed.value
  if (valueHash(row.value) !== row.hash) return never("hash")
  if (facts.isDead(owner, row.hash)) return later("deleted")
  if (!facts.inZone(owner)) return never("zone")
  const type = Record.typeOf(row.value)
  if (type !== undefined && !belongs(type, owner)) return never("owner-type")
  if (type === "heartbeat") return heartbeat(owner, row, facts)
  const verdict = ImportCheck.verifyRecord(row.value, owner, facts.operatorSpk, facts.now)
  if (Either.isLeft(verdict)) {
    const { reason } = verdict.left
    return reason === "clock-skew" || reason === "too-far-future" ? later(reason) : never(reason)
  }
  const life = signedLife(type, row.value, facts)
  // A manifest whose signature nobody here can check gets no longer life for what it says.
  const outlivesCap = outlives.has(type) && (type !== "cluster" || facts.operatorSpk !== undefined)
  // TTL follows exp: a copied manifest must not be gone with its publisher's first TTL.
  const wanted = type === "cluster" && outlivesCap ? (life ?? row.ttl) : row.ttl
  const ttl = Math.min(wanted, life ?? wanted, outlivesCap ? Record.maxAheadOperator : facts.maxTtl)
  return ttl <= 0
    ? never("expired")
    : Either.right({
        owner,
        value: row.value,
        ttl: Math.floor(ttl),
        createdAt: Math.min(facts.now, row.createdAt ?? facts.now),
        outlivesCap,
        verified: type !== "prekey" && type !== "bootstrap" && (type !== "cluster" || outlivesCap),
        heartbeat: undefined
      })
}

const heartbeat = (
  owner: Name.Name,
  row: Candidate,
  facts: Facts
): Either.Either<Import, Refused> => {
  if (!facts.acceptsHeartbeats) return never("heartbeat")
  const verdict = Heartbeat.verify(row.value, facts.now, Heartbeat.relayedSkew)
  if (Either.isLeft(verdict)) return never(verdict.left.reason)
  if (facts.isOwnHeartbeat(verdict.right)) return never("own-heartbeat")
  return Either.right({
    owner,
    value: row.value,
    ttl: Math.max(1, Math.min(row.ttl, verdict.right.exp - facts.now, facts.maxTtl)),
    createdAt: facts.now,
    outlivesCap: false,
    verified: true,
    heartbeat: verdict.right
  })
}
