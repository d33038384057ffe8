/**
 * Signals that end the node. The first one is turned into interruption by the runtime; its
 * echo is the same one, because npm passes on what the terminal has sent already; a later one
 * forces the exit.
 */
import { Effect, type Scope } from "effect"

const numbers: Readonly<Record<string, number>> = { SIGINT: 2, SIGTERM: 15 }

/** Milliseconds within which a second signal is the echo of the first. */
const echo = 1000

/** Watches until the scope ends; yields which signal has come first, if one has. */
export const watch: Effect.Effect<() => number | undefined, never, Scope.Scope> =
  Effect.acquireRelease(
    Effect.sync(() => {
      let first: { readonly number: number; readonly at: number } | undefined
      const heard = (signal: NodeJS.Signals) => {
        if (first === undefined) first = { number: numbers[signal] ?? 0, at: performance.now() }
        else if (performance.now() - first.at > echo) {
          // Nobody listens any more, so the signal does what signals do.
          process.removeAllListeners(signal)
          process.kill(process.pid, signal)
        }
      }
      for (const signal of Object.keys(numbers)) process.on(signal, heard)
      return { first: () => first?.number, heard }
    }),
    ({ heard }) =>
      Effect.sync(() => {
        for (const signal of Object.keys(numbers)) process.off(signal, heard)
      })
  ).pipe(Effect.map(({ first }) => first))
