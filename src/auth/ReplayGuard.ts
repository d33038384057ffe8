/**
 * Remembers signed requests for as long as their time would still be accepted, so that a
 * repeated one gets the earlier answer and changes nothing. Invariant: a MAC is forgotten
 * only when its time is over, its request had no lasting outcome, or the memory is full.
 */
import { Clock, Deferred, Effect } from "effect"
import { fudgeSeconds } from "../wire/Tsig.ts"

interface Seen<A> {
  readonly outcome: Deferred.Deferred<A>
  /** Unix seconds. */
  readonly until: number
}

export interface ReplayGuard<A> {
  /**
   * Runs `once`, or yields what it yielded for the same `mac`, waiting for it if need be.
   * `lasts` says whether an outcome stands: one that did not change or decide anything is
   * forgotten, so that the sender may try the same message again. `timeSigned` in Unix seconds.
   */
  readonly guard: (
    request: { readonly mac: Uint8Array; readonly timeSigned: number },
    once: Effect.Effect<A>,
    lasts: (outcome: A) => boolean
  ) => Effect.Effect<{ readonly outcome: A; readonly replayed: boolean }>
  readonly size: () => number
}

/** A full memory forgets its oldest request: some 200 octets each. */
const maxSeen = 100_000

export const make = <A>(capacity = maxSeen): Effect.Effect<ReplayGuard<A>> =>
  Effect.sync(() => {
    const seen = new Map<string, Seen<A>>()
    const makeRoom = (now: number): void => {
      for (const [key, entry] of seen) {
        if (entry.until >= now && seen.size < capacity) return
        seen.delete(key)
      }
    }
    return {
      size: () => seen.size,
      guard: ({ mac, timeSigned }, once, lasts) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
            const key = Buffer.from(mac).toString("latin1")
            const earlier = seen.get(key)
            if (earlier !== undefined) {
              const outcome = yield* restore(Deferred.await(earlier.outcome))
              return { outcome, replayed: true }
            }
            makeRoom(now)
            const outcome = yield* Deferred.make<A>()
            seen.set(key, { outcome, until: Math.max(now, timeSigned) + fudgeSeconds })
            const exit = yield* Effect.exit(restore(once))
            if (
              (exit._tag === "Failure" || !lasts(exit.value)) &&
              seen.get(key)?.outcome === outcome
            )
              seen.delete(key)
            yield* Deferred.done(outcome, exit)
            return { outcome: yield* exit, replayed: false }
          })
        )
    }
  })
