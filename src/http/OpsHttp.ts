/** Answers what `OpsApi` describes. None of it is rate-limited; only the metrics need a credential. */
import { HttpApiBuilder, HttpServerResponse } from "@effect/platform"
import { Clock, Effect } from "effect"
import * as Prometheus from "../runtime/Prometheus.ts"
import { Readiness } from "../runtime/Readiness.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { RecordStore } from "../zone/RecordStore.ts"
import { ServedApi } from "./Api.ts"
import { refuse } from "./ApiRequest.ts"
import { Authentication } from "./Authentication.ts"
import { metricsContentType } from "./OpsApi.ts"
import * as ScrapeGauges from "./ScrapeGauges.ts"

/** Networks told at most. */
const shown = 50
const probeName = Name.unsafeMake("health-probe.invalid")

export const layer = HttpApiBuilder.group(ServedApi, "operations", (handlers) =>
  Effect.gen(function* () {
    const authentication = yield* Authentication
    const readiness = yield* Readiness
    const store = yield* RecordStore
    const zone = yield* AnswerIndex
    const refreshGauges = yield* ScrapeGauges.refresh

    const talkers = yield* TopTalkers
    const standingOut = () => ({
      refused: talkers.top(shown).map(({ lastAt, limit, network, refusals }) => ({
        network,
        limit,
        refusals,
        last_at: lastAt
      })),
      asking: talkers
        .busiest(shown)
        .map(({ lastAt, network, queries }) => ({ network, queries, last_at: lastAt }))
    })

    const alive = { status: "ok" } as const
    const health = Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => store.rowsAt([probeName], Math.floor(now / 1000))),
      Effect.as(alive),
      Effect.mapError(({ reason }) => ({ status: "degraded", store: reason }) as const)
    )
    const readyz = Effect.flatMap(readiness.report, ({ checks, ready }) =>
      ready
        ? Effect.succeed({ status: "ready", checks } as const)
        : Effect.fail({ status: "not ready", checks } as const)
    )

    return handlers
      .handle("health", () => health)
      .handle("livez", () => Effect.succeed(alive))
      .handle("readyz", () => readyz)
      .handle("stats", () => Effect.sync(() => ({ records: zone.valueCount })))
      .handleRaw("talkers", ({ request }) => {
        const refusal = authentication.operatorOnly(request.headers["authorization"])
        return Effect.succeed(
          refusal === undefined
            ? HttpServerResponse.unsafeJson(standingOut())
            : refuse(request, refusal)
        )
      })
      .handleRaw("metrics", ({ request }) => {
        const refusal = authentication.operatorOnly(request.headers["authorization"])
        return refusal === undefined
          ? Effect.map(Effect.zipRight(refreshGauges, Prometheus.render()), (text) =>
              HttpServerResponse.text(text, { contentType: metricsContentType })
            )
          : Effect.succeed(refuse(request, refusal))
      })
  })
)
