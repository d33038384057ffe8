/**
 * The SOA serial: it moves when the zone's content has, at most once a second, and never
 * runs ahead of the clock, so that it keeps growing over restarts without being stored
 * (RFC 1982 arithmetic holds as long as the clock does not step back).
 */
import { Clock, Context, Effect, Layer, Schedule } from "effect"
import { ChangeFeed } from "./ChangeFeed.ts"

export class ZoneSerial extends Context.Tag("dnsmesh/zone/ZoneSerial")<
  ZoneSerial,
  {
    /** Synchronous, for the packet path. */
    readonly current: () => number
    /** Closes the version under way, if something has changed since the last one. */
    readonly advance: Effect.Effect<number>
  }
>() {
  static readonly layer = Layer.scoped(
    ZoneSerial,
    Effect.gen(function* () {
      const feed = yield* ChangeFeed
      const seconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))
      let serial = (yield* seconds) >>> 0
      let changed = false
      yield* feed.subscribe(() => {
        changed = true
      })
      const advance = Effect.map(seconds, (now) => {
        if (changed) serial = Math.max(serial + 1, now) >>> 0
        changed = false
        return serial
      })
      yield* advance.pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
      return ZoneSerial.of({ current: () => serial, advance })
    })
  )
}
