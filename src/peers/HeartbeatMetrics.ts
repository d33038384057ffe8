/** What discovery tells about itself. */
import { Metric } from "effect"
import { counterFamily } from "../runtime/Metrics.ts"

/** Counts an attempt to publish this node's own heartbeat. */
export const published = counterFamily(
  "dmp_heartbeat_published_total",
  "Own heartbeats published, by outcome",
  "outcome",
  ["ok", "failed"]
)

/** Counts a zone asked for heartbeats. */
export const harvested = counterFamily(
  "dmp_heartbeat_harvests_total",
  "Zones asked for heartbeats, by outcome",
  "outcome",
  ["found", "empty", "failed"]
)

/** Counts a heartbeat read from another zone. */
export const read = counterFamily(
  "dmp_heartbeat_read_total",
  "Heartbeats read from other zones, by verdict",
  "verdict",
  ["accepted", "own", "refused", "quota", "foreign"]
)

/** Counts a fetch of a public seed list. */
export const seedList = counterFamily(
  "dmp_heartbeat_seed_fetches_total",
  "Fetches of public seed lists, by outcome",
  "outcome",
  ["ok", "failed"]
)

/** Counts a key that is not among those a zone was known by. */
export const keyChanged = counterFamily(
  "dmp_heartbeat_key_changes_total",
  "Operator keys met at zones known by others: rotated to, without such a link, or revoked",
  "kind",
  ["changed", "rotated", "revoked"]
)

const seen = Metric.gauge("dmp_heartbeat_seen_nodes", {
  description: "Nodes known by a valid heartbeat"
})
const lastPublished = Metric.gauge("dmp_heartbeat_last_published_timestamp_seconds", {
  description: "When the own heartbeat was last published, Unix seconds"
})

const pinned = Metric.gauge("dmp_heartbeat_pinned_zones", {
  description: "Zones known by their operator keys"
})

export const setPinned = (count: number): void => void pinned.unsafeUpdate(count, [])
const seedListsAt = Metric.gauge("dmp_heartbeat_seed_lists_timestamp_seconds", {
  description: "When the oldest public seed list in use was fetched, Unix seconds; 0 without any"
})

export const setSeedListsAt = (then: number): void => void seedListsAt.unsafeUpdate(then, [])
export const setSeen = (count: number): void => void seen.unsafeUpdate(count, [])
export const setLastPublished = (now: number): void => void lastPublished.unsafeUpdate(now, [])
