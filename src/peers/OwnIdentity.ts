/** Who this node is among others: never taken for a peer, never overwritten by one. */
import { Context, Layer } from "effect"
import type { Heartbeat } from "../dmp/Heartbeat.ts"
import * as Octets from "../dmp/Octets.ts"

export interface OwnHeartbeatKey {
  readonly endpoint: string
  /** 32 octets. */
  readonly operatorSpk: Uint8Array
}

export class OwnIdentity extends Context.Tag("dnsmesh/peers/OwnIdentity")<
  OwnIdentity,
  {
    /** Key and endpoint both match: one operator may run several nodes with one key. */
    readonly isOwnHeartbeat: (heartbeat: Heartbeat) => boolean
  }
>() {
  static readonly make = (own: OwnHeartbeatKey | undefined): OwnIdentity["Type"] => ({
    isOwnHeartbeat: (heartbeat) =>
      own !== undefined &&
      heartbeat.endpoint === own.endpoint &&
      Octets.equal(heartbeat.operatorSpk, own.operatorSpk)
  })
  /** A node without a heartbeat of its own. */
  static readonly layerNone = Layer.succeed(OwnIdentity, OwnIdentity.make(undefined))
}
