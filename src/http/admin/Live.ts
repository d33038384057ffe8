/**
 * The numbers that change while the operator looks, ready to be shown: the same texts go into
 * the page and into `/admin/live.json`, so that the script has nothing to decide.
 */
import { Clock, Effect } from "effect"
import * as MetricHistory from "../../runtime/MetricHistory.ts"
import { MetricReader } from "../../runtime/MetricReader.ts"
import { Readiness } from "../../runtime/Readiness.ts"
import { AnswerIndex } from "../../zone/AnswerIndex.ts"
import * as Ago from "../Ago.ts"
import * as ScrapeGauges from "../ScrapeGauges.ts"
import * as Numbers from "./Numbers.ts"

export interface Snapshot {
  /** By the name that `data-live` has. */
  readonly texts: Readonly<Record<string, string>>
  /** Lines of charts, by the name that `data-points` has. */
  readonly points: Readonly<Record<string, string>>
}

const dnsLatency = "dmp_dns_answer_seconds"
const httpLatency = "dmp_http_request_duration_seconds"
export const outcomes = "dmp_dns_queries_total"
export const statuses = "dmp_http_requests_total"
const batches = "dmp_http_batch_records_total"

const watched: MetricHistory.Watched = {
  counters: {
    queries: (reader) => reader.value(outcomes) ?? 0,
    requests: (reader) => reader.value(statuses) ?? 0,
    publishes: (reader) =>
      reader.where(statuses, { method: "POST", status: "201" }) +
      reader.where(batches, { result: "published" }),
    refused: (reader) => reader.where(outcomes, { outcome: "rate_limited" })
  },
  histograms: [dnsLatency, httpLatency]
}

const quantiles = [50, 95, 99] as const

const statusClasses = (reader: MetricReader): ReadonlyMap<string, number> => {
  const classes = new Map<string, number>()
  for (const [status, count] of reader.by(statuses, "status")) {
    const key = `${status.charAt(0)}xx`
    classes.set(key, (classes.get(key) ?? 0) + count)
  }
  return classes
}

export const make = Effect.gen(function* () {
  const history = yield* MetricHistory.make(watched)
  const zone = yield* AnswerIndex
  const readiness = yield* Readiness
  const refreshGauges = yield* ScrapeGauges.refresh

  const snapshot: Effect.Effect<Snapshot> = Effect.gen(function* () {
    yield* refreshGauges
    const { checks, ready } = yield* readiness.report
    const now = (yield* Clock.currentTimeMillis) / 1000
    const reader = MetricReader.now()
    const gauge = (name: string) => reader.value(name) ?? 0
    const texts: Record<string, string> = {
      queries: Numbers.rate(history.rate("queries")),
      publishes: Numbers.rate(history.rate("publishes")),
      requests: Numbers.rate(history.rate("requests")),
      refused: Numbers.rate(history.rate("refused")),
      records: Numbers.count(zone.valueCount),
      expired: Numbers.count(gauge("dmp_store_expired_rows")),
      database: Numbers.bytes(gauge("dmp_store_database_bytes")),
      wal: Numbers.bytes(gauge("dmp_store_wal_bytes")),
      tokens: Numbers.count(gauge("dmp_tokens_live")),
      keys: Numbers.count(gauge("dmp_tsig_keys_live")),
      lag: Numbers.seconds(gauge("nodejs_eventloop_lag_p99_seconds")),
      memory: Numbers.bytes(gauge("process_resident_memory_bytes")),
      uptime: Ago.span(now - gauge("process_start_time_seconds")),
      working: Numbers.count(gauge("dmp_dns_in_flight") + gauge("dmp_http_requests_in_flight")),
      connections: Numbers.count(gauge("dmp_dns_tcp_connections") + gauge("dmp_http_connections")),
      ready: ready ? "Ready" : "Not ready",
      checks: Object.entries(checks)
        .map(([name, result]) => `${name}: ${result}`)
        .join(", ")
    }
    for (const q of quantiles) {
      texts[`dns.p${q}`] = Numbers.seconds(history.latency(dnsLatency, q / 100))
      texts[`http.p${q}`] = Numbers.seconds(history.latency(httpLatency, q / 100))
    }
    for (const [outcome, count] of reader.by(outcomes, "outcome"))
      texts[`outcome.${outcome}`] = Numbers.count(count)
    for (const [group, count] of statusClasses(reader))
      texts[`status.${group}`] = Numbers.count(count)
    const points = {
      queries: Numbers.polyline(history.series("queries")),
      publishes: Numbers.polyline(history.series("publishes"))
    }
    return { texts, points }
  })
  return snapshot
})
