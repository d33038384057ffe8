/**
 * Which records may be copied from a peer: a peer is trusted to have them, not to have
 * checked them. Invariant: what released nodes would refuse to import is refused here too.
 */
import { Either, Function } from "effect"
import * as Base64 from "./Base64.ts"
import * as Chunk from "./Chunk.ts"
import * as Claim from "./Claim.ts"
import * as ClusterManifest from "./ClusterManifest.ts"
import * as Identity from "./Identity.ts"
import * as OwnerName from "./OwnerName.ts"
import * as Record from "./Record.ts"
import * as Revocation from "./Revocation.ts"
import * as Rotation from "./Rotation.ts"
import * as SlotManifest from "./SlotManifest.ts"

/** A body of one octet and its signature. */
const leastSigned = 65

/**
 * Whether `value` at `owner` may be imported at `now` (s). Self-signed types are verified;
 * a cluster manifest only when the operator's key is pinned; what cannot be verified without
 * its reader's context needs the outline of a signed record. Unknown `v=dmp…` is refused, so
 * are heartbeats, and other text at names reserved for mesh records.
 */
export const verifyRecord = (
  value: string,
  owner: string,
  pinnedClusterSpk: Uint8Array | undefined,
  now: number
): Record.Result<void> => {
  const type = Record.typeOf(value)
  switch (type) {
    case "manifest":
      return verdict(SlotManifest.verify(value, now))
    case "identity":
      return verdict(Identity.verify(value))
    case "claim":
      return verdict(Claim.verify(value, now))
    case "rotation":
      return verdict(Rotation.verify(value, now))
    case "revocation":
      return verdict(Revocation.verify(value, now))
    case "chunk":
      return verdict(Chunk.verify(value))
    case "cluster":
      return pinnedClusterSpk === undefined
        ? outlined(type, value)
        : verdict(ClusterManifest.verify(value, pinnedClusterSpk, now))
    case "prekey":
    case "bootstrap":
      return outlined(type, value)
    case "heartbeat":
      return Record.fault("prefix")
    case undefined:
      return value.startsWith("v=dmp") || OwnerName.isReserved(owner)
        ? Record.fault("prefix")
        : Either.void
  }
}

const verdict = (result: Record.Result<unknown>): Record.Result<void> =>
  Either.map(result, Function.constVoid)

const outlined = (type: Record.RecordType, value: string): Record.Result<void> => {
  const blob = Base64.decodeStrict(value.slice(Record.prefixes[type].length))
  if (blob === undefined) return Record.fault("base64")
  return blob.length < leastSigned ? Record.fault("structure") : Either.void
}
