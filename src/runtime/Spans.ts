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

/** Plain code that calls back once, at once or later. */
export type Plain<A> = (done: (yielded: A) => void) => void

/**
 * Runs plain code, in a span called `name` if anybody would see it. `fork` starts the fiber that
 * then holds the span.
 */
export const around = (
  name: string,
  fork: (effect: Effect.Effect<void>) => unknown
): Effect.Effect<<A>(plain: Plain<A>, done: (yielded: A) => void) => void> =>
  Effect.map(tracing, (on) => <A>(plain: Plain<A>, done: (yielded: A) => void): void => {
    if (!on) return plain(done)
    const yielded = Effect.async<A>((resume) => plain((it) => resume(Effect.succeed(it))))
    fork(Effect.map(Effect.withSpan(yielded, name, { captureStackTrace: false }), done))
  })
