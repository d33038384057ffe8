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
  .annotate(OpenApi.Title, "Operations") {}
