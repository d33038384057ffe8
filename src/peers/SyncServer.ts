/**
 * What this node answers its peers, apart from HTTP: digests, pulls, the manifest, and the
 * extensions. Whoever calls this has checked the peer's token.
 */
import { Cache, Clock, Context, Effect, Either, Layer, Option } from "effect"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { type DigestRow, RecordStore, type StoreError } from "../zone/RecordStore.ts"
import { Deletions } from "./Deletions.ts"
import * as DeletionExchange from "./DeletionExchange.ts"
import type { DigestQuery } from "./DigestQuery.ts"
import * as Fingerprint from "./Fingerprint.ts"
import { ManifestInstall } from "./ManifestInstall.ts"
import { PeersConfig } from "./PeersConfig.ts"
import { PeerStates } from "./PeerState.ts"
import { ServeFilter } from "./ServeFilter.ts"
import * as SyncApi from "./SyncApi.ts"
import { SyncRequests } from "./SyncRequests.ts"
import * as SyncStatus from "./SyncStatus.ts"
import { turn } from "./Turn.ts"
import { valueHash } from "../zone/ValueHash.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Rows one digest looks at, however few of them it may show. */
const maxScan = 50_000
/** Rows looked at before other work gets a turn. */
const slice = 256

export class SyncServer extends Context.Tag("dnsmesh/peers/SyncServer")<
  SyncServer,
  {
    readonly digest: (query: DigestQuery) => Effect.Effect<unknown, StoreError>
    readonly pull: (names: ReadonlyArray<string>) => Effect.Effect<unknown, StoreError>
    /** JSON, because `seq` may be beyond what a number holds. */
    readonly manifest: Effect.Effect<Option.Option<string>>
    readonly deletions: (after: number, limit: number) => Effect.Effect<unknown>
    /** Of the rows in `zones`, or of all. */
    readonly fingerprint: (
      zones: ReadonlyArray<Name.Name> | undefined
    ) => Effect.Effect<unknown, StoreError>
    readonly hint: (from: typeof SyncApi.Hint.Type) => Effect.Effect<void>
    readonly status: Effect.Effect<SyncStatus.ClusterStatus>
  }
>() {
  static readonly layer = Layer.effect(
    SyncServer,
    Effect.gen(function* () {
      const config = yield* PeersConfig
      const deletions = yield* Deletions
      const install = yield* ManifestInstall
      const requests = yield* SyncRequests
      const states = yield* PeerStates
      const store = yield* RecordStore
      const zone = yield* AnswerIndex
      const pinned = Option.getOrUndefined(config.operatorSpk)
      const filter = new ServeFilter(pinned)

      const shown = (row: DigestRow, query: DigestQuery, now: number): boolean => {
        if (query.buckets !== undefined && !query.buckets.has(row.valueHash.slice(0, 2)))
          return false
        if (!SyncApi.within(query.zones)(row.owner)) return false
        if (query.ours) return !ServeFilter.neverForOurs(row.owner)
        if (ServeFilter.neverForReleased(row.owner)) return false
        const owner = Name.unsafeMake(row.owner)
        const txt = zone.live(owner, now).find(({ value }) => valueHash(value) === row.valueHash)
        // Gone from the answers since: it is nothing to offer either.
        return txt !== undefined && filter.importable(owner, txt.value, row.valueHash, now)
      }

      const digest = Effect.fn("SyncServer.digest")(function* (query: DigestQuery) {
        const now = yield* UnixTime.now
        const kept: Array<DigestRow> = []
        let at = query.cursor
        let scanned = 0
        let hasMore = false
        scan: while (scanned < maxScan) {
          const wanted = Math.min(2000, query.limit - kept.length + 1)
          const rows = yield* store.digest(at, wanted, now)
          for (const row of rows) {
            if (++scanned % slice === 0) yield* turn
            if (kept.length === query.limit) {
              hasMore = true
              break scan
            }
            at = row
            if (shown(row, query, now)) kept.push(row)
          }
          if (rows.length < wanted) break
          hasMore = scanned >= maxScan
        }
        return {
          records: kept.map((row) => ({
            name: row.owner,
            hash: row.valueHash,
            ts: row.storedTs,
            ttl: Math.max(1, row.expiresAt - now)
          })),
          has_more: hasMore,
          // Ours go on after what they were not shown; others expect an empty page to echo.
          next_cursor:
            kept.length === 0 && !hasMore && !query.ours ? query.echo : SyncApi.formatCursor(at),
          now: yield* Clock.currentTimeMillis,
          newest: yield* store.newest,
          extensions: SyncApi.extensions
        }
      })

      const pull = Effect.fn("SyncServer.pull")(function* (names: ReadonlyArray<string>) {
        const millis = yield* Clock.currentTimeMillis
        const now = Math.floor(millis / 1000)
        const asked = new Map<Name.Name, string>()
        for (const text of names) {
          const spelled = Name.withoutTrailingDots(text.trim())
          const owner = Option.getOrUndefined(Name.parse(spelled))
          if (owner !== undefined && !asked.has(owner)) asked.set(owner, spelled)
        }
        const rows = yield* store.rowsAt([...asked.keys()], now)
        return {
          records: rows.map((row) => ({
            name: asked.get(row.owner) ?? row.owner,
            value: row.value,
            ttl: Math.max(1, row.expiresAt - now),
            age: Math.max(0, millis - row.createdAt * 1000)
          }))
        }
      })

      const manifest = Effect.map(UnixTime.now, (now) => {
        const name = Option.getOrUndefined(install.clusterName())
        const owner = name === undefined ? Option.none() : Name.parse(`cluster.${name}`)
        if (name === undefined || Option.isNone(owner)) return Option.none()
        let best: { wire: string; manifest: ClusterManifest.ClusterManifest } | undefined
        for (const { value } of zone.live(owner.value, now)) {
          const read =
            pinned === undefined
              ? ClusterManifest.parse(value)
              : ClusterManifest.verify(value, pinned, now, name)
          if (Either.isRight(read) && (best === undefined || read.right.seq > best.manifest.seq))
            best = { wire: value, manifest: read.right }
        }
        return Option.map(
          Option.fromNullable(best),
          ({ manifest, wire }) =>
            `{"wire":${JSON.stringify(wire)},"seq":${manifest.seq},"exp":${manifest.exp},"cluster_name":${JSON.stringify(manifest.clusterName)}}`
        )
      })

      // Every peer asks for the same at about the same time.
      const fingerprints = yield* Cache.make({
        capacity: 8,
        timeToLive: "5 seconds",
        lookup: (zones: string) =>
          Effect.flatMap(UnixTime.now, (now) =>
            Fingerprint.of(
              store,
              now,
              SyncApi.within(Option.getOrUndefined(SyncApi.parseZones(zones)))
            )
          )
      })

      return SyncServer.of({
        digest,
        pull,
        manifest,
        deletions: (after, limit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const page = deletions.after(after, limit)
            return {
              deletions: page.map((deletion) => DeletionExchange.write(deletion, now)),
              next: page.at(-1)?.seq ?? after,
              has_more: page.length === limit
            }
          }),
        fingerprint: (zones) =>
          Effect.map(fingerprints.get((zones ?? []).join(",")), (buckets) => ({ buckets })),
        hint: ({ endpoint, node_id }) => states.wake({ nodeId: node_id, endpoint }),
        status: Effect.map(Clock.currentTimeMillis, (now) =>
          SyncStatus.render({
            config,
            now,
            states: states.all(),
            installed: install.installed(),
            deletions: deletions.size(),
            shownTo: requests.shownTo
          })
        )
      })
    })
  )
}
