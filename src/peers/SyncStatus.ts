/** How replication stands, for operators: what `/v1/sync/status` shows. No secrets. */
import { Option } from "effect"
import type { Installed } from "./ManifestInstall.ts"
import type { PeersConfigShape } from "./PeersConfig.ts"
import type { PeerState } from "./PeerState.ts"
import { formatCursor } from "./SyncApi.ts"

export interface Facts {
  readonly config: PeersConfigShape
  /** Milliseconds. */
  readonly now: number
  readonly states: ReadonlyArray<PeerState>
  readonly installed: Option.Option<Installed>
  readonly deletions: number
  /** What the peer at a URL was shown last. */
  readonly shownTo: (href: string) => string
}

export const render = ({ config, deletions, installed, now, shownTo, states }: Facts) => ({
  node_id: Option.getOrNull(config.nodeId),
  endpoint: Option.getOrNull(Option.map(config.selfEndpoint, ({ href }) => href)),
  manifest: Option.getOrNull(
    Option.map(installed, ({ manifest }) => ({
      cluster_name: manifest.clusterName,
      // Text, because a u64 does not fit a JSON number everywhere.
      seq: String(manifest.seq),
      exp: manifest.exp,
      nodes: manifest.nodes.map(({ httpEndpoint, nodeId }) => ({
        node_id: nodeId,
        http_endpoint: httpEndpoint
      }))
    }))
  ),
  deletions_remembered: deletions,
  peers: states.map((state) => ({
    node_id: state.peer.id,
    endpoint: state.peer.url.href,
    state: state.failures > 0 ? "failing" : state.caughtUpAt > 0 ? "in-sync" : "catching-up",
    last_success: state.caughtUpAt === 0 ? null : Math.floor(state.caughtUpAt / 1000),
    lag_seconds: (now - (state.caughtUpAt === 0 ? state.openedAt : state.caughtUpAt)) / 1000,
    failures: state.failures,
    last_error: state.lastError === "" ? null : state.lastError,
    clock_offset_seconds: state.clockOffset === undefined ? null : state.clockOffset / 1000,
    shown: shownTo(state.peer.url.href),
    extensions: [...state.extensions],
    cursor: formatCursor(state.cursor),
    rows_taken: state.taken,
    rows_refused: state.refused,
    quarantine: state.quarantine.reasons()
  }))
})

export type ClusterStatus = ReturnType<typeof render>
