/** A span for each request, when traces go somewhere; it continues the trace the client names. */
import { Headers, HttpTraceContext } from "@effect/platform"
import { Effect, Option } from "effect"
import { tracing } from "../runtime/Spans.ts"
import type { Exchange } from "./Route.ts"

export type Traced = <A, E>(
  exchange: Exchange,
  template: string,
  effect: Effect.Effect<A, E>
) => Effect.Effect<A, E>

const untraced: Traced = (_exchange, _template, effect) => effect

const traced: Traced = ({ client, id, method, request }, template, effect) =>
  Effect.withSpan(effect, `${method} ${template}`, {
    kind: "server",
    captureStackTrace: false,
    attributes: {
      "http.request.method": method,
      "http.route": template,
      "client.address": client.address,
      "dnsmesh.request_id": id
    },
    ...Option.match(HttpTraceContext.fromHeaders(Headers.fromInput(request.headers)), {
      onNone: () => ({ root: true }),
      onSome: (parent) => ({ parent })
    })
  })

/** Costs nothing without a tracer that listens. */
export const make: Effect.Effect<Traced> = Effect.map(tracing, (on) => (on ? traced : untraced))
