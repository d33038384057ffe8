/** What the HTTP front counts. Labels come from closed sets, so no client can add a series. */
import { Metric, MetricBoundaries } from "effect"
import { counterFamily } from "../runtime/Metrics.ts"

const requests = Metric.counter("dmp_http_requests_total", {
  description: "HTTP requests by method and status",
  incremental: true
})
type Requests = typeof requests

const known: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["GET", [200, 400, 401, 404, 405, 429, 500, 503]],
  ["HEAD", [200, 401, 404, 429, 503]],
  ["POST", [201, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503]],
  ["DELETE", [204, 400, 401, 403, 404, 429, 500, 503]],
  ["OTHER", [400, 404, 405, 408, 417, 431, 503]]
]

const counters = new Map<string, Requests>()
const counter = (method: string, status: number): Requests => {
  const key = `${method} ${status}`
  let tagged = counters.get(key)
  if (tagged === undefined) {
    tagged = requests.pipe(Metric.tagged("method", method), Metric.tagged("status", String(status)))
    counters.set(key, tagged)
  }
  return tagged
}

const seconds = Metric.histogram(
  "dmp_http_request_duration_seconds",
  MetricBoundaries.fromIterable([
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
  ]),
  "Time from a request's headers to the end of its answer, in seconds"
)
const durations = new Map<string, Metric.Metric.Histogram<number>>()
const duration = (route: string) => {
  let tagged = durations.get(route)
  if (tagged === undefined) {
    tagged = Metric.tagged(seconds, "route", route)
    durations.set(route, tagged)
  }
  return tagged
}

/** Requests being worked on. */
export const inFlight = Metric.gauge("dmp_http_requests_in_flight", {
  description: "HTTP requests being worked on"
})

/** Open connections, idle ones included. */
export const connections = Metric.gauge("dmp_http_connections", {
  description: "Open HTTP connections"
})

/** Counts what was turned away to protect the node. */
export const shed = counterFamily(
  "dmp_http_shed_total",
  "HTTP requests and connections turned away to protect the node, by reason",
  "reason",
  ["concurrency", "connections", "source"]
)

/** Counts a request without sufficient credentials. */
export const authFailure = counterFamily(
  "dmp_http_auth_failures_total",
  "HTTP requests without sufficient credentials, by reason",
  "reason",
  ["missing", "rejected", "forbidden", "throttled"]
)

/** Counts one answered request. `seconds` from its headers to the end of the answer. */
export const answered = (method: string, status: number, route: string, took: number): void => {
  counter(method, status).unsafeUpdate(1, [])
  duration(route).unsafeUpdate(took, [])
}

/** Counts a request that could not be parsed, or never became one. */
export const unparsed = (status: number): void => counter("OTHER", status).unsafeUpdate(1, [])

/** Makes every known series exist, at 0. */
export const register = (templates: ReadonlyArray<string>): void => {
  for (const [method, statuses] of known)
    for (const status of statuses) counter(method, status).register()
  for (const template of templates) duration(template).register()
  inFlight.register()
  connections.register()
}
