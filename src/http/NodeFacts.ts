/**
 * What other parts of the node know about it and its neighbours, for the pages people look at.
 * Whoever knows provides it; a node without heartbeats or peers says nothing.
 */
import { Context, Effect, Option } from "effect"
import type { ClusterStatus } from "../peers/SyncStatus.ts"

/** A node known by its heartbeat. */
export interface NodePeer {
  readonly endpoint: string
  /** 64 lower-case hex digits. */
  readonly operatorSpk: string
  /** Empty when it does not say. */
  readonly version: string
  /** Unix seconds, as signed. */
  readonly heardAt: number
}

export interface NodeFactsShape {
  /** What this node announces of itself; none while heartbeats are off. */
  readonly own: Option.Option<Omit<NodePeer, "heardAt">>
  /** Others, the one heard last first. */
  readonly peers: Effect.Effect<ReadonlyArray<NodePeer>>
  /** How replication stands; none without a cluster. */
  readonly cluster: Effect.Effect<Option.Option<ClusterStatus>>
}

const unknown: NodeFactsShape = {
  own: Option.none(),
  peers: Effect.succeed([]),
  cluster: Effect.succeedNone
}

export class NodeFacts extends Context.Reference<NodeFacts>()("dnsmesh/http/NodeFacts", {
  defaultValue: (): NodeFactsShape => unknown
}) {}
