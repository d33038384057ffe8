/** What the HTTP front counts. Labels come from closed sets, so no client can add a series. */
import { Metric, MetricBoundaries, MetricLabel } from "effect"
import { counterFamily } from "../runtime/Metrics.ts"

const requests = Metric.counter("dmp_http_requests_total", {
  description: "HTTP requests by method and status",
  incremental: true
})

const known: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["GET", [200, 400, 401, 404, 405, 429, 500, 503]],
  ["HEAD", [200, 401, 404, 429, 503]],
  ["POST", [200, 201, 207, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503]],
  ["DELETE", [204, 400, 401, 403, 404, 429, 500, 503]],
  ["OTHER", [400, 404, 405, 408, 417, 431, 503]]
]

// A series is found by the identity of its labels; `Metric.tagged` would build and hash a new
// key for every update.
type Labels = ReadonlyArray<MetricLabel.MetricLabel>
const countLabels = new Map<string, Labels>()
const countLabelsOf = (method: string, status: number): Labels => {
  const key = `${method} ${status}`
  let labels = countLabels.get(key)
  if (labels === undefined) {
    labels = [MetricLabel.make("method", method), MetricLabel.make("status", String(status))]
    countLabels.set(key, labels)
  }
  return labels
}

const seconds = Metric.histogram(
  "dmp_http_request_duration_seconds",
  MetricBoundaries.fromIterable([
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
  ]),
  "Time from a request's headers to the end of its answer, in seconds"
)
const routeLabels = new Map<string, Labels>()
const routeLabelsOf = (route: string): Labels => {
  let labels = routeLabels.get(route)
  if (labels === undefined) {
    labels = [MetricLabel.make("route", route)]
    routeLabels.set(route, labels)
  }
  return labels
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
  requests.unsafeUpdate(1, countLabelsOf(method, status))
  seconds.unsafeUpdate(took, routeLabelsOf(route))
}

/** Counts a request that could not be parsed, or never became one. */
export const unparsed = (status: number): void =>
  requests.unsafeUpdate(1, countLabelsOf("OTHER", status))

/** Makes every known series exist, at 0. */
export const register = (templates: ReadonlyArray<string>): void => {
  for (const [method, statuses] of known)
    for (const status of statuses) requests.unsafeValue(countLabelsOf(method, status))
  for (const template of templates) seconds.unsafeValue(routeLabelsOf(template))
  inFlight.register()
  connections.register()
}
