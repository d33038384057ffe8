/** What the DNS door counts. Every series exists from the start, so that a quiet node has rates too. */
import { Metric, MetricBoundaries } from "effect"
import type { Transport } from "./Exchange.ts"

const outcomes = [
  "noerror",
  "formerr",
  "servfail",
  "nxdomain",
  "notimp",
  "refused",
  "yxdomain",
  "yxrrset",
  "nxrrset",
  "notauth",
  "notzone",
  "badvers",
  "badcookie",
  "rate_limited",
  "malformed",
  "tsig_failed",
  "tsig_time"
] as const

const drops = ["response", "shed", "rate_limited", "send_error", "connection_cap"] as const
const transports = ["udp", "tcp", "tls", "https"] as const satisfies ReadonlyArray<Transport>

export type DropReason = (typeof drops)[number]

type Count = (value: string, by?: number) => void

const families = new Map<string, Count>()

/** Adds to one series of a family that counts, if there is such a series. */
export const count = (family: string, value: string, by: number): void =>
  families.get(family)?.(value, by)

const counters = <const L extends string>(
  name: string,
  description: string,
  label: string,
  values: ReadonlyArray<L>
): Count => {
  const base = Metric.counter(name, { description, incremental: true })
  const tagged = new Map<string, (by: number) => void>()
  for (const value of values) {
    const metric = Metric.tagged(base, label, value)
    metric.register()
    tagged.set(value, (by) => metric.unsafeUpdate(by, []))
  }
  const update: Count = (value, by = 1) => tagged.get(value)?.(by)
  families.set(name, update)
  return update
}

export const countOutcome = counters(
  "dmp_dns_queries_total",
  "DNS messages by outcome: the rcode in lower case, or why there was none",
  "outcome",
  outcomes
)
export const countDrop: (reason: DropReason) => void = counters(
  "dmp_dns_drops_total",
  "DNS messages and connections that got no answer, by reason",
  "reason",
  drops
)
export const countMessage: (transport: Transport) => void = counters(
  "dmp_dns_messages_total",
  "DNS messages received, by transport",
  "transport",
  transports
)
export const countTruncated: (transport: Transport) => void = counters(
  "dmp_dns_truncated_total",
  "DNS answers cut short with TC set, by transport",
  "transport",
  transports
)

export const latencyName = "dmp_dns_answer_seconds"
const latency = Metric.histogram(
  latencyName,
  MetricBoundaries.fromIterable([
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5
  ]),
  "Time from a DNS message's arrival to its answer, in seconds; plain queries are sampled 1 in 16"
)
latency.register()
export const observeLatency = (seconds: number): void => latency.unsafeUpdate(seconds, [])

export const inFlight = Metric.gauge("dmp_dns_in_flight", {
  description: "DNS messages being worked on that could not be answered at once"
})
export const openConnections = Metric.gauge("dmp_dns_tcp_connections", {
  description: "Open DNS connections over TCP"
})
inFlight.register()
openConnections.register()
