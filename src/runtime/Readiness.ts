/**
 * Whether this node should be sent work: every registered check passes and it is not
 * draining. Parts of the node register what they know; `/readyz` shows the sum.
 */
import { Context, Effect, Layer, type Scope } from "effect"

/** Something a node cannot do its work without. */
export interface Check {
  /** Lower case with hyphens; a key of the report. */
  readonly name: string
  /** Fails with a short reason fit for the public. Bounded in time and cost by its owner. */
  readonly run: Effect.Effect<void, string>
}

export interface Report {
  readonly ready: boolean
  /** `ok`, or the reason, by name of check. */
  readonly checks: Readonly<Record<string, string>>
}

export class Readiness extends Context.Tag("dnsmesh/runtime/Readiness")<
  Readiness,
  {
    /** Asks `check` in every report until the scope closes. */
    readonly register: (check: Check) => Effect.Effect<void, never, Scope.Scope>
    /** Runs all checks at the same time. A check that dies is one that fails. */
    readonly report: Effect.Effect<Report>
    /** From now on the node is not ready; there is no way back. */
    readonly drain: Effect.Effect<void>
    /** True once `drain` has run. Synchronous, for the request path. */
    readonly draining: () => boolean
  }
>() {
  static readonly layer = Layer.sync(Readiness, () => {
    const checks = new Set<Check>()
    let draining = false
    return Readiness.of({
      register: (check) =>
        Effect.acquireRelease(
          Effect.sync(() => void checks.add(check)),
          () => Effect.sync(() => void checks.delete(check))
        ),
      report: Effect.suspend(() => Effect.forEach([...checks], outcome, { concurrency: 8 })).pipe(
        Effect.map((outcomes) => {
          const all = draining ? [...outcomes, ["draining", "stopping"] as const] : outcomes
          return {
            ready: all.every(([, result]) => result === "ok"),
            checks: Object.fromEntries(all)
          }
        })
      ),
      drain: Effect.sync(() => {
        draining = true
      }),
      draining: () => draining
    })
  })
}

const outcome = (check: Check): Effect.Effect<readonly [string, string]> =>
  check.run.pipe(
    Effect.match({ onSuccess: () => "ok", onFailure: (reason) => reason }),
    Effect.catchAllCause((cause) =>
      Effect.as(Effect.logError(`the readiness check ${check.name} died`, cause), "broken")
    ),
    Effect.map((result) => [check.name, result] as const)
  )
