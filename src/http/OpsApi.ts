/** What operators, orchestrators and Prometheus ask a node, described. */
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { Problem } from "./Refusal.ts"

export const Alive = Schema.Struct({ status: Schema.Literal("ok") }).annotations({
  identifier: "Alive"
})

export const Degraded = Schema.Struct({
  status: Schema.Literal("degraded"),
  store: Schema.String.annotations({ description: "What kind of trouble the store is in." })
}).annotations({ identifier: "Degraded" })

const checks = Schema.Record({ key: Schema.String, value: Schema.String }).annotations({
  description: "`ok`, or what is wrong, by name of check."
})

export const Ready = Schema.Struct({ status: Schema.Literal("ready"), checks }).annotations({
  identifier: "Ready"
})

export const NotReady = Schema.Struct({
  status: Schema.Literal("not ready"),
  checks
}).annotations({ identifier: "NotReady" })

export const Stats = Schema.Struct({
  records: Schema.Int.annotations({ description: "Live values held." })
}).annotations({ identifier: "Stats" })

export const TopTalkers = Schema.Struct({
  refused: Schema.Array(
    Schema.Struct({
      network: Schema.String.annotations({ description: "An IPv4 /24 or an IPv6 /48." }),
      limit: Schema.String,
      refusals: Schema.Int,
      last_at: Schema.Int
    })
  ).annotations({ description: "Networks refused most, each by one limit, most first." }),
  asking: Schema.Array(
    Schema.Struct({ network: Schema.String, queries: Schema.Int, last_at: Schema.Int })
  ).annotations({ description: "Networks with most DNS queries, counted by samples, most first." })
}).annotations({ identifier: "TopTalkers" })

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8"

export class OpsApi extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("health", "/health")
      .addSuccess(Alive)
      .addError(Degraded, { status: 503 })
      .annotate(OpenApi.Summary, "Whether the store can be read")
  )
  .add(
    HttpApiEndpoint.get("livez", "/livez")
      .addSuccess(Alive)
      .annotate(OpenApi.Summary, "Whether the process still answers")
  )
  .add(
    HttpApiEndpoint.get("readyz", "/readyz")
      .addSuccess(Ready)
      .addError(NotReady, { status: 503 })
      .annotate(OpenApi.Summary, "Whether the node should be sent work")
      .annotate(
        OpenApi.Description,
        "Among the checks: the store takes writes, all listeners are bound, the node is not stopping."
      )
  )
  .add(
    HttpApiEndpoint.get("stats", "/stats")
      .addSuccess(Stats)
      .annotate(OpenApi.Summary, "How much the node holds")
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics")
      .addSuccess(HttpApiSchema.Text({ contentType: metricsContentType }))
      .addError(Problem, { status: 401 })
      .annotate(OpenApi.Summary, "Metrics in the Prometheus text format")
      .annotate(OpenApi.Description, "Takes the operator's token where one is set.")
  )
  .add(
    HttpApiEndpoint.get("talkers", "/v1/talkers")
      .addSuccess(TopTalkers)
      .addError(Problem, { status: 401 })
      .annotate(OpenApi.Summary, "Networks that stand out")
      .annotate(
        OpenApi.Description,
        "In this hour and the one before; kept in memory alone, 50 at most. Takes the operator's token where one is set."
      )
  )
  .annotate(OpenApi.Title, "Operations") {}
