/**
 * Publishes whom this node hears at `_dnsmesh-seen.<zone>`, so that others find them through
 * it. Writes only what changed: a peer's older heartbeat is replaced once it is worth it, and
 * values this process did not put there are left alone.
 */
import { Effect, Either, Option } from "effect"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import type { Change } from "../zone/WriteRequest.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import { grantAt } from "./OwnHeartbeat.ts"
import { KeyPins } from "./KeyPins.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import * as SeenBook from "./SeenBook.ts"
import { type SeenRow, SeenStore } from "./SeenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const maxValues = 50
/** Seconds by which a newer heartbeat must be newer to replace the one published. */
const worthwhile = 90

const keyOf = (heartbeat: Heartbeat.Heartbeat): string =>
  SeenBook.keyOf(Buffer.from(heartbeat.operatorSpk).toString("hex"), heartbeat.endpoint)

/** One publication of the graph; keeps in mind what it has put there. */
export const make = Effect.gen(function* () {
  const config = yield* HeartbeatConfig
  const { maxTtl } = yield* Limits
  const own = yield* OwnIdentity
  const pins = yield* KeyPins
  const publisher = yield* Publisher
  const seen = yield* SeenStore
  const zone = yield* AnswerIndex
  const { servedZone } = yield* ZoneConfig
  const published = new Set<string>()

  const publish = Effect.gen(function* () {
    if (Option.isNone(servedZone)) return
    const owner = Name.unsafeMake(`_dnsmesh-seen.${servedZone.value}`)
    const now = yield* UnixTime.now
    const rows = yield* seen.recent(now, config.seenMaxRows)
    const wanted = new Map<string, SeenRow>()
    for (const row of SeenBook.ranked(rows)) {
      if (wanted.size === maxValues) break
      if (!pins.isForeign(row)) wanted.set(SeenBook.keyOf(row.operatorSpkHex, row.endpoint), row)
    }
    const changes: Array<Change> = []
    for (const { expiresAt, value } of zone.live(owner, now)) {
      const held = Either.getOrUndefined(Heartbeat.parse(value))
      if (held === undefined) continue
      const key = keyOf(held)
      const row = wanted.get(key)
      const remove = () => changes.push({ _tag: "DeleteValue", owner, value })
      if (own.isOwnHeartbeat(held)) remove()
      else if (row === undefined) {
        if (published.has(value)) remove()
      } else if (row.wire !== value && row.ts - held.ts >= worthwhile) remove()
      // What stands there is newer than what the store has: another process put it there.
      else if (held.ts > row.ts) wanted.delete(key)
      else {
        published.add(value)
        const half = Math.min(config.ttl, maxTtl, held.exp - now) / 2
        if (expiresAt - now >= half) wanted.delete(key)
        else wanted.set(key, { ...row, wire: value })
      }
    }
    for (const row of wanted.values())
      changes.push({
        _tag: "Add",
        record: {
          owner,
          value: row.wire,
          ttl: Math.max(1, Math.min(config.ttl, maxTtl, row.exp - now))
        }
      })
    if (changes.length === 0) return
    const grant = grantAt(owner, "seen heartbeats")
    // One by one: a value that is refused must not keep the others out.
    yield* Effect.forEach(
      changes,
      (change) =>
        publisher.apply({ grant, changes: [change] }).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              if (change._tag === "Add") published.add(change.record.value)
              else if (change._tag === "DeleteValue") published.delete(change.value)
            })
          ),
          Effect.catchTag("StoreError", Effect.fail),
          Effect.catchAll((error) => Effect.logDebug(`not republished: ${error._tag}`))
        ),
      { discard: true }
    )
  })
  return { publish }
})
