/**
 * The versions of the zones' content and the SOA serial that names them. A version closes at
 * most once a second and only when content has changed, so serials never run ahead of the
 * clock and keep growing over restarts without being stored (RFC 1982). The latest versions
 * are kept as differences for incremental transfer (RFC 1995).
 */
import { Clock, Context, Effect, Layer, Schedule, type Scope } from "effect"
import { ChangeFeed } from "./ChangeFeed.ts"
import type { ContentChange } from "./LiveZone.ts"

/** Value changes remembered in all; beyond it the oldest versions are forgotten. */
const maxRemembered = 200_000

export interface ZoneVersion {
  readonly from: number
  readonly to: number
  /** Net changes: no value appears twice. */
  readonly removed: ReadonlyArray<ContentChange>
  readonly added: ReadonlyArray<ContentChange>
}

export class ZoneVersions extends Context.Tag("dnsmesh/zone/ZoneVersions")<
  ZoneVersions,
  {
    /** Serial of the version closed last. Synchronous, for the packet path. */
    readonly serial: () => number
    /** Closes the version under way if it has changes; yields the serial then current. */
    readonly close: Effect.Effect<number>
    /** The versions after `serial`, oldest first; `undefined` when they are not remembered. */
    readonly since: (serial: number) => ReadonlyArray<ZoneVersion> | undefined
    /** Calls `listener` after each version has closed, until the scope ends. */
    readonly onClose: (
      listener: (version: ZoneVersion) => void
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer = Layer.scoped(
    ZoneVersions,
    Effect.gen(function* () {
      const feed = yield* ChangeFeed
      const listeners = new Set<(version: ZoneVersion) => void>()
      const versions: Array<ZoneVersion> = []
      let remembered = 0
      let open = new Map<string, ContentChange>()
      let serial = Math.floor((yield* Clock.currentTimeMillis) / 1000) >>> 0

      yield* feed.subscribe(({ content }) => {
        for (const change of content) {
          const id = `${change.key}\n${change.octets}`
          const before = open.get(id)
          // Coming and going within one version is no change of it.
          if (before !== undefined && before.kind !== change.kind) open.delete(id)
          else open.set(id, change)
        }
      })

      const close = Effect.map(Clock.currentTimeMillis, (now) => {
        if (open.size === 0) return serial
        const changes = [...open.values()]
        open = new Map()
        const version: ZoneVersion = {
          from: serial,
          to: Math.max(serial + 1, Math.floor(now / 1000)) >>> 0,
          removed: changes.filter((change) => change.kind === "removed"),
          added: changes.filter((change) => change.kind === "added")
        }
        serial = version.to
        versions.push(version)
        remembered += changes.length
        while (remembered > maxRemembered && versions.length > 1) {
          const oldest = versions.shift()
          if (oldest !== undefined) remembered -= oldest.removed.length + oldest.added.length
        }
        for (const listener of listeners) listener(version)
        return serial
      })

      yield* close.pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
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
