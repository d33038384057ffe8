/**
 * Trust in operator keys at first sight, kept over restarts. A zone whose heartbeats are signed
 * by a key that does not follow from those it had is reported, and that key's heartbeats count
 * as hearsay of no standing: they are kept, but neither ranked as the zone's own nor passed on.
 */
import { Context, Effect, Layer } from "effect"
import * as Succession from "../dmp/Succession.ts"
import type * as Name from "../wire/Name.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as HeartbeatMetrics from "./HeartbeatMetrics.ts"
import { PinBook } from "./PinBook.ts"
import { Resolver } from "./Resolver.ts"
import * as SeenBook from "./SeenBook.ts"
import { type SeenRow, SeenStore } from "./SeenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Foreign keys reported by this process; a full memory reports again. */
const mostReported = 10_000
const day = 86_400

export class KeyPins extends Context.Tag("dnsmesh/peers/KeyPins")<
  KeyPins,
  {
    /** Judges the keys a zone itself shows; yields those that are not its own. */
    readonly meet: (
      zone: Name.Name,
      keys: ReadonlySet<string>
    ) => Effect.Effect<ReadonlySet<string>, StoreError>
    /** True when `row` names a zone that is known by other keys. */
    readonly isForeign: (row: SeenRow) => boolean
    readonly sweep: Effect.Effect<void, StoreError>
  }
>() {
  static readonly layer = Layer.effect(
    KeyPins,
    Effect.gen(function* () {
      const { pinDays } = yield* HeartbeatConfig
      const resolver = yield* Resolver
      const store = yield* SeenStore
      const book = new PinBook(yield* store.pins)
      const reported = new Set<string>()
      HeartbeatMetrics.setPinned(book.size)

      const report = (zone: Name.Name, key: string, revoked: boolean) => {
        if (reported.has(`${zone} ${key}`)) return Effect.void
        if (reported.size >= mostReported) reported.clear()
        reported.add(`${zone} ${key}`)
        HeartbeatMetrics.keyChanged(revoked ? "revoked" : "changed")
        return Effect.logWarning(
          revoked
            ? `heartbeats of ${zone} are signed by ${key}, which has been revoked`
            : `heartbeats of ${zone} are signed by ${key}, which does not follow from the keys it had`
        )
      }

      /** What the zone says of its keys, where it can be asked. */
      const succession = (zone: Name.Name, now: number) =>
        Effect.map(
          Effect.orElseSucceed(
            resolver.txt(`rotate.cluster.${zone}`),
            (): ReadonlyArray<string> => []
          ),
          (wires) => Succession.read(wires, "cluster-operator", zone, now)
        )

      const meet = (zone: Name.Name, keys: ReadonlySet<string>) =>
        Effect.gen(function* () {
          if (keys.size === 0) return keys
          const now = yield* UnixTime.now
          const strangers = [...keys].filter((key) => book.standing(zone, key) === "foreign")
          const said = strangers.length === 0 ? undefined : yield* succession(zone, now)
          const pinned = book.pinned(zone)
          const linked = new Set(strangers.filter((key) => said?.leads(pinned, key)))
          const dead = said?.revoked ?? new Set<string>()
          const { changed, foreign, gone: outlived } = book.meet(zone, keys, linked, now)
          // Only now: what they led to has been taken over.
          const gone = [...outlived, ...book.drop(zone, dead)]
          for (const key of linked) {
            HeartbeatMetrics.keyChanged("rotated")
            yield* Effect.logInfo(`${zone} has rotated its operator key to ${key}`)
          }
          for (const key of foreign) yield* report(zone, key, dead.has(key))
          if (changed.length > 0) yield* store.putPins(changed)
          if (gone.length > 0) yield* store.removePins(gone)
          HeartbeatMetrics.setPinned(book.size)
          return new Set(foreign)
        })

      return KeyPins.of({
        meet,
        isForeign: (row) =>
          SeenBook.zones([row]).some(
            (zone) => book.standing(zone, row.operatorSpkHex) === "foreign"
          ),
        sweep: Effect.gen(function* () {
          const now = yield* UnixTime.now
          const over = book.sweep(now - pinDays * day)
          if (over.length > 0) yield* store.removePins(over)
          HeartbeatMetrics.setPinned(book.size)
        })
      })
    })
  )
}
