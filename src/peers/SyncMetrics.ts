/** What replication tells about itself. Peers come from the operator, so labels stay few. */
import { Effect, Metric } from "effect"

/** What may be wrong with the proof a sync request brings. */
export const refusalReasons = [
  "token",
  "malformed",
  "no-manifest",
  "other-addressee",
  "clock",
  "before-start",
  "not-a-member",
  "certificate",
  "signature",
  "replayed",
  "too-many",
  "digest"
] as const
export type RefusalReason = (typeof refusalReasons)[number]

const counter = (name: string, description: string) =>
  Metric.counter(name, { description, incremental: true })

const rounds = counter("dmp_sync_rounds_total", "Rounds with a peer, by outcome")
const rows = counter("dmp_sync_rows_total", "Rows peers offered that this node lacked, by outcome")
const requests = counter("dmp_sync_requests_total", "Sync requests served, by route and status")
const callers = counter(
  "dmp_sync_callers_total",
  "Sync requests let in, by who made them and by what proved it"
)
const refusals = counter(
  "dmp_sync_refusals_total",
  "Sync requests not let in, by what was wrong with their proof"
)
const deletionsApplied = counter(
  "dmp_sync_deletions_applied_total",
  "Values removed because a peer reported their deletion"
)
const hints = counter("dmp_sync_hints_total", "Hints sent to peers after a change, by outcome")
const manifests = counter("dmp_cluster_manifests_total", "Cluster manifests met, by outcome")

const lag = Metric.gauge("dmp_sync_lag_seconds", {
  description: "Seconds since this node last held everything the peer had"
})
const lastSuccess = Metric.gauge("dmp_sync_last_success_timestamp_seconds", {
  description: "When the last whole round with the peer ended, Unix seconds"
})
const clockOffset = Metric.gauge("dmp_sync_clock_offset_seconds", {
  description: "How far the peer's clock is ahead of this node's, in seconds"
})
const quarantined = Metric.gauge("dmp_sync_quarantine_rows", {
  description: "Rows of the peer that this node does not take over"
})
const peers = Metric.gauge("dmp_sync_peers", { description: "Peers replicated with" })
const manifestSeq = Metric.gauge("dmp_cluster_manifest_seq", {
  description: "Sequence number of the installed cluster manifest"
})
const manifestExpiry = Metric.gauge("dmp_cluster_manifest_expiry_timestamp_seconds", {
  description: "When the installed cluster manifest expires, Unix seconds"
})

export const round = (peer: string, outcome: "ok" | "failed") =>
  Metric.update(rounds.pipe(Metric.tagged("peer", peer), Metric.tagged("outcome", outcome)), 1)

export const row = (outcome: "taken" | "refused", count: number) =>
  Metric.update(Metric.tagged(rows, "outcome", outcome), count)

export const request = (route: string, status: number) =>
  Metric.update(
    requests.pipe(Metric.tagged("route", route), Metric.tagged("status", String(status))),
    1
  )

/** Peers and credentials come from the settings and the manifest. */
export const entered = (peer: string, by: string) =>
  Metric.update(callers.pipe(Metric.tagged("peer", peer), Metric.tagged("by", by)), 1)

export const kept = (reason: RefusalReason) =>
  Metric.update(Metric.tagged(refusals, "reason", reason), 1)

export const registerCallers = (
  known: ReadonlyArray<{ readonly peer: string; readonly by: string }>
): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const { by, peer } of known)
      callers.pipe(Metric.tagged("peer", peer), Metric.tagged("by", by)).register()
    for (const reason of refusalReasons) Metric.tagged(refusals, "reason", reason).register()
  })

export const deleted = (count: number) => Metric.incrementBy(deletionsApplied, count)

export const hint = (outcome: "sent" | "failed") =>
  Metric.update(Metric.tagged(hints, "outcome", outcome), 1)

export const manifest = (outcome: "installed" | "older" | "refused") =>
  Metric.update(Metric.tagged(manifests, "outcome", outcome), 1)

/** `seq` beyond 2^53 is rounded, which a graph does not notice. */
export const installed = (seq: bigint, exp: number) =>
  Effect.zipRight(Metric.set(manifestSeq, Number(seq)), Metric.set(manifestExpiry, exp))

export const peerCount = (count: number) => Metric.set(peers, count)

export const peer = (
  id: string,
  state: {
    readonly lag: number
    readonly lastSuccess: number
    readonly clockOffset: number
    readonly quarantined: number
  }
) =>
  Effect.all(
    [
      Metric.set(Metric.tagged(lag, "peer", id), state.lag),
      Metric.set(Metric.tagged(lastSuccess, "peer", id), state.lastSuccess),
      Metric.set(Metric.tagged(clockOffset, "peer", id), state.clockOffset),
      Metric.set(Metric.tagged(quarantined, "peer", id), state.quarantined)
    ],
    { discard: true }
  )

/** Series cannot be taken back, so those of a former peer say that nothing is wrong with it. */
export const peerGone = (id: string) =>
  peer(id, { lag: 0, lastSuccess: 0, clockOffset: 0, quarantined: 0 })

/** Known label values exist from the first scrape on, at 0. */
export const register: Effect.Effect<void> = Effect.sync(() => {
  for (const outcome of ["taken", "refused"]) Metric.tagged(rows, "outcome", outcome).register()
  for (const outcome of ["sent", "failed"]) Metric.tagged(hints, "outcome", outcome).register()
  for (const outcome of ["installed", "older", "refused"])
    Metric.tagged(manifests, "outcome", outcome).register()
  deletionsApplied.register()
  peers.register()
})
