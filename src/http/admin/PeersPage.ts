/** How the node stands with its cluster, and whom it knows by heartbeat. */
import { Option } from "effect"
import type { ClusterStatus } from "../../peers/SyncStatus.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import type { NodePeer } from "../NodeFacts.ts"
import { table } from "./Frame.ts"
import * as Numbers from "./Numbers.ts"

export interface Peers {
  readonly cluster: Option.Option<ClusterStatus>
  readonly heartbeats: boolean
  readonly peers: ReadonlyArray<NodePeer>
  /** Unix seconds. */
  readonly now: number
}

const manifest = ({ manifest: held }: ClusterStatus, now: number): Html =>
  held === null
    ? html`<p>No cluster manifest is installed.</p>`
    : html`<p>
        Cluster <strong>${held.cluster_name}</strong>, manifest ${held.seq},
        ${held.exp > now ? `expires in ${Ago.span(held.exp - now)}` : "expired"}
      </p>`

const cluster = (status: ClusterStatus, now: number): Html =>
  html`${manifest(status, now)}
  ${table(
    "Replication",
    ["Peer", "State", "Lag", "Last whole round", "Taken", "Refused", "Last error"],
    status.peers.map((peer) => [
      html`${peer.node_id} <code>${peer.endpoint}</code>`,
      html`<span class="${peer.state === "failing" ? "bad" : "good"}">${peer.state}</span>`,
      Numbers.seconds(peer.lag_seconds),
      peer.last_success === null ? "never" : `${Ago.span(now - peer.last_success)} ago`,
      Numbers.count(peer.rows_taken),
      Numbers.count(peer.rows_refused),
      peer.last_error ?? "–"
    ]),
    "There are no peers."
  )}`

export const render = ({ cluster: status, heartbeats, now, peers }: Peers): Html =>
  html`<section class="panel">
      <h2>Cluster</h2>
      ${Option.match(status, {
        onNone: () =>
          html`<p class="empty">
            This node replicates with nobody; see <code>DMP_SYNC_PEERS</code>.
          </p>`,
        onSome: (known) => cluster(known, now)
      })}
    </section>
    <section class="panel">
      <h2>Heartbeats</h2>
      ${
        heartbeats
          ? table(
              "Nodes heard of",
              ["Endpoint", "Operator key", "Version", "Last heard"],
              peers.map(({ endpoint, heardAt, operatorSpk, version }) => [
                endpoint,
                html`<code>${operatorSpk.slice(0, 16)}</code>`,
                version === "" ? "–" : version,
                `${Ago.span(now - heardAt)} ago`
              ]),
              "No other node has been heard of yet."
            )
          : html`<p class="empty">Heartbeats are off; see <code>DMP_HEARTBEAT_ENABLED</code>.</p>`
      }
    </section>`
