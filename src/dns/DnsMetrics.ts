/** What the DNS door counts. Every series exists from the start, so that a quiet node has rates too. */
import { Metric, MetricBoundaries, MetricLabel } from "effect"
import * as Metrics from "../runtime/Metrics.ts"
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

/**
 * Counts for so many series. An update of a metric costs as much as finding the answer: what comes
 * with every message is counted here, and added when somebody reads.
 */
const unsettled = (series: number, settle: (at: number, count: number) => void): Float64Array => {
  const counts = new Float64Array(series)
  Metrics.beforeReading(() => {
    for (const [at, count] of counts.entries()) {
      if (count === 0) continue
      counts[at] = 0
      settle(at, count)
    }
  })
  return counts
}

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
  const counter = Metric.counter(name, { description, incremental: true })
  const series = values.map((value) => [MetricLabel.make(label, value)])
  for (const labels of series) counter.unsafeValue(labels)
  const counts = unsettled(series.length, (at, count) => {
    const labels = series[at]
    if (labels !== undefined) counter.unsafeUpdate(count, labels)
  })
  const places = new Map<string, number>(values.map((value, at) => [value, at]))
  const update: Count = (value, by = 1) => {
    const at = places.get(value)
    if (at !== undefined) counts[at] = (counts[at] ?? 0) + by
  }
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

/** Types told apart; with the operation where that is no query. */
const types = [
  "A",
  "NS",
  "CNAME",
  "SOA",
  "PTR",
  "MX",
  "TXT",
  "AAAA",
  "SRV",
  "DS",
  "DNSKEY",
  "SVCB",
  "HTTPS",
  "CAA",
  "ANY",
  "AXFR",
  "IXFR",
  "UPDATE",
  "other"
] as const
const codes = [1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 48, 64, 65, 257, 255, 252, 251]
const updateAt = types.indexOf("UPDATE")
const otherAt = types.length - 1
/** Places in `types` by the number of the type; those beyond are the last of `types`. */
const typeAt = new Uint8Array(Math.max(...codes) + 1).fill(otherAt)
for (const [at, code] of codes.entries()) typeAt[code] = at
/** As IANA numbers them: 1 is IPv4, 2 is IPv6. */
const addressFamilies = ["1", "2"] as const

const requests = Metric.counter("dmp_dns_requests_total", {
  description: "DNS messages received, by transport, address family and type asked",
  incremental: true
})
// One flat list: its place is worked out from numbers, and no text is made for a packet.
const requestSeries = transports.flatMap((proto) =>
  addressFamilies.flatMap((family) =>
    types.map((type) => {
      const labels = [
        MetricLabel.make("proto", proto),
        MetricLabel.make("family", family),
        MetricLabel.make("type", type)
      ]
      requests.unsafeValue(labels)
      return labels
    })
  )
)
const requestAt = new Map(
  requestSeries.map((labels) => [labels.map(({ value }) => value).join(" "), labels])
)
families.set("dmp_dns_requests_total", (value, by = 1) => {
  const labels = requestAt.get(value)
  if (labels !== undefined) requests.unsafeUpdate(by, labels)
})
/** Its place in `transports`, found by comparing: no text is looked up for a packet. */
const protoAt = (transport: Transport): number =>
  transport === "udp" ? 0 : transport === "tcp" ? 1 : transport === "tls" ? 2 : 3

const requestCounts = unsettled(requestSeries.length, (at, count) => {
  const labels = requestSeries[at]
  if (labels !== undefined) requests.unsafeUpdate(count, labels)
})

/** `type` is the number asked for; none of a message that could not be read, `update` of an UPDATE. */
export const countRequest = (
  transport: Transport,
  address: string,
  type: number | "update" | undefined
): void => {
  const family = address.includes(":") ? 1 : 0
  const at = type === undefined ? otherAt : type === "update" ? updateAt : (typeAt[type] ?? otherAt)
  const place = (protoAt(transport) * 2 + family) * types.length + at
  requestCounts[place] = (requestCounts[place] ?? 0) + 1
}

interface Distribution {
  readonly observe: (value: number) => void
}

/** The histograms by the name and labels that tell them from the others. */
const distributions = new Map<string, Distribution>()

const distribution = (
  name: string,
  description: string,
  boundaries: ReadonlyArray<number>,
  proto?: Transport
): Distribution["observe"] => {
  const metric = Metric.histogram(name, MetricBoundaries.fromIterable(boundaries), description)
  const labels = proto === undefined ? [] : [MetricLabel.make("proto", proto)]
  metric.unsafeValue(labels)
  const observe = (value: number): void => metric.unsafeUpdate(value, labels)
  distributions.set(proto === undefined ? name : `${name} ${proto}`, { observe })
  return observe
}

/** Adds one observation to a histogram that exists, named as in `distributionName`. */
export const observe = (name: string, value: number): void =>
  distributions.get(name)?.observe(value)

export const observeLatency = distribution(
  "dmp_dns_answer_seconds",
  "Time from a DNS message's arrival to its answer, in seconds; plain queries are sampled 1 in 16",
  [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5]
)

const octets = [64, 128, 256, 512, 1024, 1232, 2048, 4096, 8192, 16_384, 65_535]
const sizes = (name: string, what: string) => {
  const all = transports.map((proto) => distribution(name, what, octets, proto))
  return (transport: Transport, length: number): void => all[protoAt(transport)]?.(length)
}
export const observeRequestSize = sizes(
  "dmp_dns_request_size_bytes",
  "Size of DNS messages answered at once, in bytes, by transport; sampled 1 in 16"
)
export const observeResponseSize = sizes(
  "dmp_dns_response_size_bytes",
  "Size of the answers to them, in bytes, by transport; sampled 1 in 16"
)

export const inFlight = Metric.gauge("dmp_dns_in_flight", {
  description: "DNS messages being worked on that could not be answered at once"
})
export const openConnections = Metric.gauge("dmp_dns_tcp_connections", {
  description: "Open DNS connections over TCP"
})
inFlight.register()
openConnections.register()
