/** Who this node is among others: never taken for a peer, never overwritten by one. */
import { Context, Effect, Layer, Option, Redacted } from "effect"
import * as Ed25519 from "../dmp/Ed25519.ts"
import type { Heartbeat } from "../dmp/Heartbeat.ts"
import * as Octets from "../dmp/Octets.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as OperatorKey from "./OperatorKey.ts"

export interface OwnHeartbeatKey {
  readonly endpoint: string
  /** 32 octets. */
  readonly operatorSpk: Uint8Array
}

/** What signs this node's heartbeats. */
export interface Signer extends OwnHeartbeatKey {
  /** 32 octets. */
  readonly seed: Redacted.Redacted<Uint8Array>
}

export class OwnIdentity extends Context.Tag("dnsmesh/peers/OwnIdentity")<
  OwnIdentity,
  {
    /** Key and endpoint both match: one operator may run several nodes with one key. */
    readonly isOwnHeartbeat: (heartbeat: Heartbeat) => boolean
    /** None while heartbeats are off or cannot be signed. */
    readonly signer: Option.Option<Signer>
  }
>() {
  static readonly make = (
    own: OwnHeartbeatKey | undefined,
    signer: Option.Option<Signer> = Option.none()
  ): OwnIdentity["Type"] => ({
    isOwnHeartbeat: (heartbeat) =>
      own !== undefined &&
      heartbeat.endpoint === own.endpoint &&
      Octets.equal(heartbeat.operatorSpk, own.operatorSpk),
    signer
  })

  /** A node without a heartbeat of its own. */
  static readonly layerNone = Layer.succeed(OwnIdentity, OwnIdentity.make(undefined))

  /** From the settings. What is missing or unreadable turns heartbeats off, not the node. */
  static readonly layer = Layer.effect(
    OwnIdentity,
    Effect.gen(function* () {
      const { enabled, keyPath, selfEndpoint } = yield* HeartbeatConfig
      const none = OwnIdentity.make(undefined)
      if (!enabled) return none
      if (Option.isNone(selfEndpoint) || Option.isNone(keyPath)) {
        yield* Effect.logError(
          "heartbeats are off: DMP_HEARTBEAT_SELF_ENDPOINT and DMP_HEARTBEAT_OPERATOR_KEY_PATH are needed"
        )
        return none
      }
      const seed = yield* Effect.either(OperatorKey.read(keyPath.value))
      if (seed._tag === "Left") {
        yield* Effect.logError(`heartbeats are off: ${seed.left.message}`)
        return none
      }
      const own = { endpoint: selfEndpoint.value, operatorSpk: Ed25519.publicKey(seed.right) }
      return OwnIdentity.make(own, Option.some({ ...own, seed: Redacted.make(seed.right) }))
    })
  )
}
