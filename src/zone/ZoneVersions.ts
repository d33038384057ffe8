/**
 * The versions of the zones' content and the SOA serial that names them. A version closes once a
 * second, or when a whole transfer begins, and only when content has changed. Its serial is the
 * second of closing or, where that is not later (RFC 1982) than any serial given out before, the
 * one after; a mark in the store makes that hold over restarts, kills and clocks set back. From the
 * first whole transfer on the latest versions are kept as differences for incremental ones
 * (RFC 1995): before it nobody could ask for any, and they may take 100 MB.
 */
import { Context, Effect, Layer, Schedule, type Scope } from "effect"
import { ChangeFeed } from "./ChangeFeed.ts"
import type { ContentChange } from "./LiveZone.ts"
import { RecordStore } from "./RecordStore.ts"
import * as Serial from "./Serial.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Value changes remembered in all; beyond it the oldest versions are forgotten. */
const maxRemembered = 200_000

/** Serials marked ahead, so that few versions wait for the disk. A kill skips what is left of them. */
const ahead = 64

/** Net changes: no value appears twice. */
export interface Difference {
  readonly removed: ReadonlyArray<ContentChange>
  readonly added: ReadonlyArray<ContentChange>
}

export interface ZoneVersion extends Difference {
  readonly from: number
  readonly to: number
}

export class ZoneVersions extends Context.Tag("dnsmesh/zone/ZoneVersions")<
  ZoneVersions,
  {
    /** Serial of the version closed last. Synchronous, for the packet path. */
    readonly serial: () => number
    /**
     * For a whole transfer: closes the version under way if it has changes. `read` gets the serial
     * then current, and sees the zone exactly as that version has it: nothing comes between.
     */
    readonly close: <A>(read: (serial: number) => A) => Effect.Effect<A>
    /** The versions after `serial`, oldest first; `undefined` when they are not remembered. */
    readonly since: (serial: number) => ReadonlyArray<ZoneVersion> | undefined
    /**
     * Calls `listener` after each version has closed, with its serial and, if that is remembered,
     * what is different in it; until the scope ends.
     */
    readonly onClose: (
      listener: (serial: number, difference: Difference | undefined) => void
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer = Layer.scoped(
    ZoneVersions,
    Effect.gen(function* () {
      const feed = yield* ChangeFeed
      const store = yield* RecordStore
      const one = yield* Effect.makeSemaphore(1)
      const listeners = new Set<(serial: number, difference: Difference | undefined) => void>()
      const versions: Array<ZoneVersion> = []
      let remembers = false
      let remembered = 0
      /** The version under way; while nothing is remembered it is only known that it has changed. */
      let open = new Map<string, ContentChange>()
      let changed = false
      // What is held now may be another content than any that a serial has named.
      const last = yield* store.serialMark
      const began = yield* UnixTime.now
      let serial = last === undefined ? began >>> 0 : Serial.next(last, began)
      let mark = Serial.plus(serial, ahead)
      // Before the first version closes, which is before a secondary takes anything over: a store
      // that is still being looked through holds up no answer.
      let hasMark = false

      const hasChanged = (): boolean => changed || open.size > 0

      yield* feed.subscribe(({ content }) => {
        if (!remembers) {
          changed ||= content.length > 0
          return
        }
        for (const change of content) {
          const id = `${change.key}\n${change.octets}`
          const before = open.get(id)
          // Coming and going within one version is no change of it.
          if (before !== undefined && before.kind !== change.kind) open.delete(id)
          else open.set(id, change)
        }
      })

      /** Without a disk to mark them on, serials go on by the clock, which seldom repeats itself. */
      const keepAhead = Effect.gen(function* () {
        if (!hasMark) {
          yield* store.markSerial(mark)
          hasMark = true
        }
        if (!hasChanged()) return
        const wanted = Serial.plus(Serial.next(serial, yield* UnixTime.now), ahead / 2)
        if (!Serial.isLater(wanted, mark)) return
        const marked = Serial.plus(wanted, ahead / 2)
        yield* store.markSerial(marked)
        mark = marked
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning("the zone's serial was not marked", error))
      )

      /** What is different in the version that closes as `to`. */
      const remember = (to: number): Difference => {
        const changes = [...open.values()]
        open = new Map()
        const version: ZoneVersion = {
          from: serial,
          to,
          removed: changes.filter((change) => change.kind === "removed"),
          added: changes.filter((change) => change.kind === "added")
        }
        versions.push(version)
        remembered += changes.length
        while (remembered > maxRemembered && versions.length > 1) {
          const oldest = versions.shift()
          if (oldest !== undefined) remembered -= oldest.removed.length + oldest.added.length
        }
        return version
      }

      const closeAt = (now: number): number => {
        if (!hasChanged()) return serial
        changed = false
        const to = Serial.next(serial, now)
        const difference = remembers ? remember(to) : undefined
        serial = to
        for (const listener of listeners) listener(serial, difference)
        return serial
      }

      const closing = <A>(read: (serial: number) => A) =>
        keepAhead.pipe(
          Effect.zipRight(Effect.map(UnixTime.now, (now) => read(closeAt(now)))),
          one.withPermits(1)
        )
      const close = <A>(read: (serial: number) => A) =>
        closing((at) => {
          // Not before: of the version that has just closed nothing was kept.
          remembers = true
          return read(at)
        })

      // The next start then begins where this one has ended.
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => (hasMark ? Effect.ignore(store.markSerial(serial)) : Effect.void))
      )
      yield* closing(() => undefined).pipe(
        Effect.repeat(Schedule.spaced("1 second")),
        Effect.forkScoped
      )
      return ZoneVersions.of({
        serial: () => serial,
        close,
        since: (known) => {
          if (known === serial) return []
          const at = versions.findIndex((version) => version.from === known)
          return at < 0 ? undefined : versions.slice(at)
        },
        onClose: (listener) =>
          Effect.acquireRelease(
            Effect.sync(() => void listeners.add(listener)),
            () => Effect.sync(() => void listeners.delete(listener))
          )
      })
    })
  )
}
