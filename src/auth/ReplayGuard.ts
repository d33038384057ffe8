/**
 * Remembers signed requests for as long as their time would still be accepted, so that a
 * repeated one gets the earlier answer and changes nothing. Invariant: a MAC is forgotten
 * only when its time is over, its request had no lasting outcome, or the memory is full.
 */
import { Deferred, Effect, Exit, FiberId } from "effect"
import { fudgeSeconds } from "../wire/Tsig.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

interface Seen<A> {
  /** Waits for it at first; then it is there, and nothing else is kept. */
  outcome: Effect.Effect<A>
  /** Unix seconds. */
  readonly until: number
}

export interface Guarded<A> {
  readonly outcome: A
  /** True when it is the outcome of an earlier request. */
  readonly replayed: boolean
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
  ) => Effect.Effect<Guarded<A>>
  readonly size: () => number
}

/** A full memory forgets its oldest request: some 200 octets each. */
const maxSeen = 100_000

export const make = <A>(capacity = maxSeen): Effect.Effect<ReplayGuard<A>> =>
  Effect.map(Effect.clock, (clock) => {
    const seen = new Map<string, Seen<A>>()
    const makeRoom = (now: number): void => {
      for (const [key, entry] of seen) {
        if (entry.until >= now && seen.size < capacity) return
        seen.delete(key)
      }
    }
    const guard: ReplayGuard<A>["guard"] = ({ mac, timeSigned }, once, lasts) =>
      Effect.uninterruptibleMask((restore): Effect.Effect<Guarded<A>> => {
        const now = UnixTime.unsafeNow(clock)
        const key = Buffer.from(mac).toString("latin1")
        const earlier = seen.get(key)
        if (earlier !== undefined)
          return Effect.map(restore(earlier.outcome), (outcome) => ({
            outcome,
            replayed: true
          }))
        makeRoom(now)
        const waiting = Deferred.unsafeMake<A>(FiberId.none)
        const until = Math.max(now, timeSigned) + fudgeSeconds
        const entry: Seen<A> = { outcome: Deferred.await(waiting), until }
        seen.set(key, entry)
        const settle = (exit: Exit.Exit<A>): void => {
          const stands = Exit.isSuccess(exit) && lasts(exit.value)
          if (!stands && seen.get(key) === entry) seen.delete(key)
          entry.outcome = exit
          Deferred.unsafeDone(waiting, exit)
        }
        return Effect.matchCauseEffect(restore(once), {
          onFailure: (cause) => {
            settle(Exit.failCause(cause))
            return Effect.failCause(cause)
          },
          onSuccess: (value) => {
            settle(Exit.succeed(value))
            return Effect.succeed({ outcome: value, replayed: false })
          }
        })
      })
    return { guard, size: () => seen.size }
  })
