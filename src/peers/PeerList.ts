/**
 * The peers to replicate with, now. Invariant: never this node itself, no URL twice, and a
 * list that would leave none never replaces one that holds some.
 */
import { Context, Effect, Layer, Option, type Stream, SubscriptionRef } from "effect"
import type { ClusterNode } from "../dmp/ClusterManifest.ts"
import { ofUrl, type Peer } from "./Peer.ts"
import { PeersConfig, type PeersConfigShape } from "./PeersConfig.ts"
import * as PeerUrl from "./PeerUrl.ts"

export class PeerList extends Context.Tag("dnsmesh/peers/PeerList")<
  PeerList,
  {
    readonly current: Effect.Effect<ReadonlyArray<Peer>>
    /** The current list, then every other. */
    readonly changes: Stream.Stream<ReadonlyArray<Peer>>
    /** Yields false when no node of the list can be a peer, and nothing changed. */
    readonly replace: (nodes: ReadonlyArray<NamedNode>) => Effect.Effect<boolean>
  }
>() {
  /** Starts with the peers of the configuration. */
  static readonly layer = Layer.effect(
    PeerList,
    Effect.gen(function* () {
      const config = yield* PeersConfig
      const ref = yield* SubscriptionRef.make(distinct(config.syncPeers.map(ofUrl), config))
      return PeerList.of({
        current: SubscriptionRef.get(ref),
        changes: ref.changes,
        replace: (nodes) => {
          const { peers, self } = read(nodes, config)
          // A list with nobody else on it still stands when it names this node.
          return peers.length === 0 && !self
            ? Effect.succeed(false)
            : Effect.as(SubscriptionRef.set(ref, peers), true)
        }
      })
    })
  )
}

export type NamedNode = Pick<ClusterNode, "nodeId" | "httpEndpoint">

const isSelf = (peer: Peer, config: PeersConfigShape): boolean =>
  Option.contains(config.nodeId, peer.id) ||
  Option.exists(config.selfEndpoint, ({ href }) => href === peer.url.href)

const distinct = (peers: ReadonlyArray<Peer>, config: PeersConfigShape): ReadonlyArray<Peer> => [
  ...new Map(
    peers.filter((peer) => !isSelf(peer, config)).map((peer) => [peer.url.href, peer])
  ).values()
]

/** The peers among `nodes`; those without a usable URL are left out. */
const read = (nodes: ReadonlyArray<NamedNode>, config: PeersConfigShape) => {
  const all = nodes.flatMap(({ httpEndpoint, nodeId }) =>
    Option.toArray(Option.map(PeerUrl.parse(httpEndpoint), (url): Peer => ({ id: nodeId, url })))
  )
  return { peers: distinct(all, config), self: all.some((peer) => isSelf(peer, config)) }
}
