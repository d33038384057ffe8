/** Replication within a cluster as one layer: what `App` adds to a node, and tests to a store. */
import { Layer } from "effect"
import * as AntiEntropy from "./AntiEntropy.ts"
import * as ClusterBoot from "./ClusterBoot.ts"
import { Deletions } from "./Deletions.ts"
import * as Hints from "./Hints.ts"
import { Importer } from "./Importer.ts"
import { ManifestInstall } from "./ManifestInstall.ts"
import { PeerList } from "./PeerList.ts"
import { PeerStates } from "./PeerState.ts"
import { SyncRequests } from "./SyncRequests.ts"
import { SyncServer } from "./SyncServer.ts"

/** The parts, without the fibers that speak to peers. */
export const layerPassive = SyncServer.layer.pipe(
  Layer.provideMerge(SyncRequests.layer),
  Layer.provideMerge(Layer.mergeAll(Importer.layer, ManifestInstall.layer)),
  Layer.provideMerge(Layer.mergeAll(Deletions.layer, PeerList.layer, PeerStates.layer))
)

/**
 * What answers peers and tells them of news, without the fibers that read from them. Needs the
 * zone (`Publisher`, `AnswerIndex`, `ChangeFeed`, `RecordStore`, `Limits`, `ZoneConfig`),
 * `PeersConfig`, `SyncState`, `PeerClient`, `OwnIdentity`, `Reload`.
 */
export const layerServing = Hints.layer.pipe(
  Layer.provideMerge(ClusterBoot.layer),
  Layer.provideMerge(layerPassive)
)

/** Reads from peers; stands on what `layerServing` gives, and ends before it. */
export const layerFollowing = AntiEntropy.layer

/** Everything. */
export const layer = layerFollowing.pipe(Layer.provideMerge(layerServing))
