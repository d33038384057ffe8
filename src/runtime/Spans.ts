/**
 * Spans on paths where one costs as much as the work it measures. Invariant: without a tracer
 * that listens there are none.
 */
import { Context, DefaultServices, Effect, Tracer } from "effect"

/** True when the tracer at hand is not the one that keeps spans to itself. */
export const tracing: Effect.Effect<boolean> = Effect.map(
  Effect.tracer,
  (tracer) => tracer !== Context.get(DefaultServices.liveServices, Tracer.Tracer)
)

export type Spanned = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const unspanned: Spanned = (effect) => effect

/** What puts a span called `name` around an effect, if anybody would see it. */
export const named = (name: string): Effect.Effect<Spanned> =>
  Effect.map(tracing, (on) =>
    on ? (effect) => Effect.withSpan(effect, name, { captureStackTrace: false }) : unspanned
  )
