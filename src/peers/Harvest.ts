/**
 * Looks for other nodes: asks the zones it knows for their own heartbeat and for those they
 * have heard. No zone can make it read more than a sample, and a zone that fails is asked less.
 */
import { Effect, Option, Random } from "effect"
import * as Name from "../wire/Name.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as HeartbeatMetrics from "./HeartbeatMetrics.ts"
import { KeyPins } from "./KeyPins.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import { PeersConfig } from "./PeersConfig.ts"
import { mostKeys } from "./PinBook.ts"
import { Resolver } from "./Resolver.ts"
import { SeedList } from "./SeedList.ts"
import * as SeenBook from "./SeenBook.ts"
import { SeenStore, type SeenRow } from "./SeenStore.ts"
import { turn } from "./Turn.ts"
import { type Contender, type Kind, Turns } from "./Turns.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Values read from one RRset. */
const sample = 20
/** Zones asked at the same time. */
const concurrency = 4
/** Most rounds a failing zone is left alone. */
const longestRest = 16
/** Rows looked at before other work gets a turn. */
const slice = 256

/** One round over all zones; keeps in mind who failed. */
export const make = Effect.gen(function* () {
  const config = yield* HeartbeatConfig
  const own = yield* OwnIdentity
  const pins = yield* KeyPins
  const { syncPeers } = yield* PeersConfig
  const resolver = yield* Resolver
  const seeds = yield* SeedList
  const seen = yield* SeenStore
  const { zones: ownZones } = yield* ZoneConfig
  const turns = new Turns()
  /** Rounds begun, and in which one a zone that failed is asked again. */
  let rounds = 0
  const resting = new Map<Name.Name, { readonly failures: number; readonly until: number }>()
  /** Keys of the heartbeats that each zone has shown of itself. */
  const heard = new Map<Name.Name, Set<string>>()

  const named = (kind: Kind, zones: ReadonlyArray<Name.Name>): ReadonlyArray<Contender> =>
    zones.map((zone) => ({ zone, kind, source: "" }))
  const peerZones = syncPeers.flatMap(({ host }) =>
    host.includes(".") && !/^[0-9.]+$/.test(host) ? Option.toArray(Name.parse(host)) : []
  )

  /** Everybody there is to ask. Whoever is named twice counts by the better naming. */
  const contenders = (rows: ReadonlyArray<SeenRow>) =>
    Effect.gen(function* () {
      const firstHand: Array<Contender> = []
      const hearsay: Array<Contender> = []
      for (const [at, row] of [...(yield* Random.shuffle(rows))].entries()) {
        if (at % slice === slice - 1) yield* turn
        const kind = SeenBook.isFirstHand(row) ? "first-hand" : "hearsay"
        for (const zone of SeenBook.zones([row]))
          (kind === "hearsay" ? hearsay : firstHand).push({ zone, kind, source: row.source })
      }
      return [
        ...named("configured", [...config.seeds, ...peerZones]),
        ...named("listed", seeds.zones()),
        ...firstHand,
        ...hearsay
      ]
    })

  /** Whom to ask in this round. */
  const targets = (rows: ReadonlyArray<SeenRow>) =>
    Effect.map(contenders(rows), (all) => {
      rounds++
      const known = new Set(all.map(({ zone }) => zone))
      for (const zone of resting.keys()) if (!known.has(zone)) resting.delete(zone)
      const awake = all.filter(
        ({ zone }) => !ownZones.includes(zone) && (resting.get(zone)?.until ?? 0) <= rounds
      )
      return turns.next(awake, config.maxPeers)
    })

  const failed = (zone: Name.Name) =>
    Effect.sync(() => {
      const failures = (resting.get(zone)?.failures ?? 0) + 1
      const rest = Math.min(longestRest, 2 ** (failures - 1))
      resting.set(zone, { failures, until: rounds + rest + 1 })
    })

  const ask = (zone: Name.Name, ownName: boolean) =>
    resolver.txt(`${ownName ? "_dnsmesh-heartbeat" : "_dnsmesh-seen"}.${zone}`).pipe(
      Effect.flatMap(Random.shuffle),
      Effect.map((values) =>
        [...values].slice(0, sample).map((wire): SeenBook.Reading => ({ zone, ownName, wire }))
      )
    )

  /** First-hand knowledge of a node is not lost because somebody else was quicker. */
  const keepSource = (known: ReadonlyMap<string, SeenRow>, row: SeenRow): SeenRow => {
    const before = known.get(SeenBook.keyOf(row.operatorSpkHex, row.endpoint))
    return before !== undefined && SeenBook.isFirstHand(before) && !SeenBook.isFirstHand(row)
      ? { ...row, source: before.source }
      : row
  }

  /** Whether this heartbeat is worth keeping. Made-up keys fill neither the store nor the log. */
  const hear = (zone: Name.Name, row: SeenRow): "accepted" | "quota" | "foreign" => {
    // Others may not speak for a zone that is known by its keys.
    if (!SeenBook.isFirstHand(row)) return pins.isForeign(row) ? "foreign" : "accepted"
    const keys = heard.get(zone) ?? new Set()
    heard.set(zone, keys)
    if (keys.has(row.operatorSpkHex)) return "accepted"
    if (keys.size >= mostKeys) return "quota"
    keys.add(row.operatorSpkHex)
    return "accepted"
  }

  /** `rows` with what a zone says of itself by keys that are not its own as mere hearsay. */
  const judged = (zone: Name.Name, rows: ReadonlyArray<SeenRow>) =>
    Effect.map(
      pins.meet(zone, new Set(rows.filter(SeenBook.isFirstHand).map((row) => row.operatorSpkHex))),
      (foreign) =>
        rows.map((row) =>
          SeenBook.isFirstHand(row) && foreign.has(row.operatorSpkHex)
            ? { ...row, source: `${SeenBook.hearsayPrefix}${zone}` }
            : row
        )
    )

  const harvest = (zone: Name.Name, known: ReadonlyMap<string, SeenRow>) =>
    Effect.gen(function* () {
      const both = yield* Effect.all([
        Effect.either(ask(zone, true)),
        Effect.either(ask(zone, false))
      ])
      const readings = both.flatMap((result) => (result._tag === "Right" ? result.right : []))
      const now = yield* UnixTime.now
      const rows: Array<SeenRow> = []
      for (const reading of readings) {
        const verdict = SeenBook.judge(reading, now, own.isOwnHeartbeat)
        if (verdict._tag === "Refused") {
          HeartbeatMetrics.read(verdict.verdict)
          continue
        }
        const worth = hear(zone, verdict.row)
        HeartbeatMetrics.read(worth)
        if (worth === "accepted") rows.push(verdict.row)
      }
      if (rows.length === 0) {
        const silent = both.every((result) => result._tag === "Left")
        HeartbeatMetrics.harvested(silent ? "failed" : "empty")
        return yield* failed(zone)
      }
      resting.delete(zone)
      HeartbeatMetrics.harvested("found")
      const kept = yield* judged(zone, rows)
      yield* seen.put(kept.map((row) => (pins.isForeign(row) ? row : keepSource(known, row))))
    }).pipe(
      Effect.catchAll((error) => Effect.logWarning(`heartbeats were not kept: ${error.reason}`))
    )

  const round = Effect.gen(function* () {
    const now = yield* UnixTime.now
    const rows = yield* seen.recent(now, config.seenMaxRows)
    const known = new Map(
      rows.map((row) => [SeenBook.keyOf(row.operatorSpkHex, row.endpoint), row])
    )
    yield* Effect.forEach(yield* targets(rows), (zone) => harvest(zone, known), {
      concurrency,
      discard: true
    })
    yield* pins.sweep
    yield* seen.sweep(now - config.retentionHours * 3600, config.seenMaxRows)
    HeartbeatMetrics.setSeen((yield* seen.recent(now, config.seenMaxRows)).length)
  })
  return { round }
})
