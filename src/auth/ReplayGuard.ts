/**
 * Remembers signed requests for as long as their time would still be accepted, so that a
 * repeated one gets the earlier answer and changes nothing. Invariant: a MAC is forgotten
 * only when its time is over, its request had no lasting outcome, or the memory is full.
 * Plain code that calls back: an UPDATE is answered without a fiber.
 */
import { Effect } from "effect"
import { fudgeSeconds } from "../wire/Tsig.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { SeenMacs } from "./SeenMacs.ts"

/** `replayed` is true when `outcome` is that of an earlier request. */
type Resume<A> = (outcome: A, replayed: boolean) => void

export interface ReplayGuard<A> {
  /**
   * Has `once` settle the request, or takes what was settled for the same `mac`, waiting for it
   * if need be; `resume` is told. `lasts` says whether an outcome stands: one that did not change
   * or decide anything is forgotten, so that the sender may try the same message again. `once`
   * settles exactly once, at once or later, and neither it nor `resume` throws. `timeSigned` in
   * Unix seconds.
   */
  readonly guard: (
    request: { readonly mac: Uint8Array; readonly timeSigned: number },
    once: (settle: (outcome: A) => void) => void,
    lasts: (outcome: A) => boolean,
    resume: Resume<A>
  ) => void
  readonly size: () => number
}

/** A full memory forgets its oldest request: some 50 octets each. */
const maxSeen = 100_000

/** A request that is not settled yet. */
class Pending<A> {
  /** Nothing once the request is forgotten. */
  place: number | undefined
  /** Who wait for it, having sent it again. */
  readonly waiting: Array<Resume<A>> = []

  constructor(place: number) {
    this.place = place
  }
}

export const make = <A extends object>(capacity = maxSeen): Effect.Effect<ReplayGuard<A>> =>
  Effect.map(Effect.clock, (clock) => {
    const seen = new SeenMacs(capacity)
    /** By place. */
    const outcomes: Array<A | Pending<A> | undefined> = []

    const forget = (place: number): void => {
      const entry = outcomes[place]
      if (entry instanceof Pending) entry.place = undefined
      outcomes[place] = undefined
      seen.remove(place)
    }

    const makeRoom = (now: number): void => {
      for (let place = seen.spent(now); place !== undefined; place = seen.spent(now)) forget(place)
    }

    const guard: ReplayGuard<A>["guard"] = ({ mac, timeSigned }, once, lasts, resume) => {
      const earlier = seen.find(mac)
      const entry = earlier === undefined ? undefined : outcomes[earlier]
      if (entry instanceof Pending) return void entry.waiting.push(resume)
      if (entry !== undefined) return resume(entry, true)
      const now = UnixTime.unsafeNow(clock)
      makeRoom(now)
      const pending = new Pending<A>(seen.add(mac, Math.max(now, timeSigned) + fudgeSeconds))
      if (pending.place !== undefined) outcomes[pending.place] = pending
      once((outcome) => {
        const { place, waiting } = pending
        if (place !== undefined)
          if (lasts(outcome)) outcomes[place] = outcome
          else forget(place)
        resume(outcome, false)
        for (const repeated of waiting) repeated(outcome, true)
      })
    }
    return { guard, size: () => seen.size }
  })
