/**
 * The one way a cluster manifest takes effect, whichever way it came: file, HTTP, UPDATE,
 * replication or gossip. Invariant: what is installed was signed by the pinned key, names this
 * cluster, has a node, and is newer than what was installed before. It lives in the zone, at
 * `cluster.<name>`, until it expires, and so survives a restart.
 */
import { Context, Effect, Either, Layer, Option, Queue, Stream } from "effect"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Hostname from "../dmp/Hostname.ts"
import * as Record from "../dmp/Record.ts"
import { parse as parseName } from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { ChangeFeed } from "../zone/ChangeFeed.ts"
import { Publisher } from "../zone/Publisher.ts"
import { RecordStore } from "../zone/RecordStore.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import type { Change } from "../zone/WriteRequest.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import type { PeerUrl } from "./PeerUrl.ts"
import { parse as parseUrl } from "./PeerUrl.ts"
import { PeerList } from "./PeerList.ts"
import { PeersConfig } from "./PeersConfig.ts"
import * as SyncMetrics from "./SyncMetrics.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export interface Installed {
  readonly wire: string
  /** Ids of the nodes by their URL in its one spelling. */
  readonly ids: ReadonlyMap<string, string>
  readonly manifest: ClusterManifest.ClusterManifest
}

export interface OfferOptions {
  /** False when the settings name the peers: then a file only says where to count from. */
  readonly setsPeers?: boolean
}

/** Why an offered manifest did not take effect; `older` is no fault. */
export type OfferResult = "installed" | "older" | "unpinned" | "no-nodes" | Record.FaultReason

export class ManifestInstall extends Context.Tag("dnsmesh/peers/ManifestInstall")<
  ManifestInstall,
  {
    readonly offer: (
      wire: string,
      source: string,
      options?: OfferOptions
    ) => Effect.Effect<OfferResult>
    /** Offers what the zone already holds; at the start, after the cluster file. */
    readonly offerStored: Effect.Effect<void>
    readonly installed: () => Option.Option<Installed>
    /** Id of the installed manifest's node at `url`. */
    readonly nodeAt: (url: PeerUrl) => string | undefined
    /** The cluster's name, if this node knows it; lower case. */
    readonly clusterName: () => Option.Option<string>
    /** True when a manifest from a peer could be judged: key pinned and cluster known. */
    readonly gossips: () => boolean
  }
>() {
  static readonly layer = Layer.scoped(
    ManifestInstall,
    Effect.gen(function* () {
      const { operatorSpk } = yield* PeersConfig
      const { clusterBaseDomain } = yield* ZoneConfig
      const feed = yield* ChangeFeed
      const peers = yield* PeerList
      const publisher = yield* Publisher
      const store = yield* RecordStore
      const zone = yield* AnswerIndex
      const pinned = Option.getOrUndefined(operatorSpk)
      let name: string | undefined = Option.getOrUndefined(clusterBaseDomain)
      let installed: Installed | undefined

      /** Puts `wire` where readers look, for as long as it is valid; older ones go. */
      const publish = (wire: string, manifest: ClusterManifest.ClusterManifest, now: number) => {
        const owner = Option.getOrThrow(
          parseName(`cluster.${Hostname.folded(manifest.clusterName)}`)
        )
        const held = zone.live(owner, now)
        const grant = new WriteGrant({
          subject: "cluster manifest",
          allows: (_, at) => at === owner,
          mayShorten: false,
          ignoresTtlCap: true
        })
        const superseded = held.flatMap(({ value }): ReadonlyArray<Change> => {
          const other = pinned === undefined ? undefined : verified(value, pinned, now)
          return other !== undefined && other.seq < manifest.seq
            ? [{ _tag: "DeleteValue", owner, value }]
            : []
        })
        const lasting = held.some(
          ({ expiresAt, value }) => value === wire && expiresAt >= manifest.exp
        )
        const changes: ReadonlyArray<Change> = lasting
          ? superseded
          : [
              ...superseded,
              {
                _tag: "Add",
                record: { owner, value: wire, ttl: Math.max(1, manifest.exp - now) }
              }
            ]
        return changes.length === 0
          ? Effect.void
          : publisher
              .apply({ grant, changes })
              .pipe(
                Effect.catchAll((error) =>
                  Effect.logError(`the cluster manifest was not published: ${error._tag}`)
                )
              )
      }

      const install = (
        wire: string,
        manifest: ClusterManifest.ClusterManifest,
        source: string,
        now: number,
        setsPeers: boolean
      ) =>
        Effect.gen(function* () {
          if (setsPeers && !(yield* peers.replace(manifest.nodes))) return "no-nodes" as const
          installed = { wire, manifest, ids: idsOf(manifest) }
          name ??= Hostname.folded(manifest.clusterName)
          yield* publish(wire, manifest, now)
          yield* SyncMetrics.installed(manifest.seq, manifest.exp)
          yield* Effect.logInfo(
            `installed cluster manifest ${manifest.seq} of ${manifest.clusterName} from ${source}`
          )
          return "installed" as const
        })

      // One at a time: two that arrive together must not overtake each other.
      const turnstile = yield* Effect.makeSemaphore(1)
      const offer = (wire: string, source: string, { setsPeers = true }: OfferOptions = {}) =>
        Effect.gen(function* (): Effect.fn.Return<OfferResult> {
          if (pinned === undefined) return "unpinned"
          const now = yield* UnixTime.now
          const verdict = ClusterManifest.verify(wire, pinned, now, name)
          if (Either.isLeft(verdict)) return verdict.left.reason
          if (verdict.right.nodes.length === 0) return "no-nodes"
          if (installed !== undefined && verdict.right.seq <= installed.manifest.seq) return "older"
          return yield* install(wire, verdict.right, source, now, setsPeers)
        }).pipe(
          Effect.tap((result) => {
            if (result === "installed" || result === "older") return SyncMetrics.manifest(result)
            return Effect.zipRight(
              SyncMetrics.manifest("refused"),
              Effect.logDebug(`a cluster manifest from ${source} was refused: ${result}`)
            )
          }),
          turnstile.withPermits(1)
        )

      const now = yield* UnixTime.now
      // Without a configured domain the store may say which cluster this is, if it says one.
      if (name === undefined && pinned !== undefined) {
        const names = new Set<string>()
        yield* Stream.runForEach(store.live(now), (rows) =>
          Effect.sync(() => {
            for (const [owner, value] of rows) {
              const manifest = owner.startsWith("cluster.")
                ? verified(value, pinned, now)
                : undefined
              const named = manifest && Hostname.folded(manifest.clusterName)
              if (named !== undefined && owner === `cluster.${named}`) names.add(named)
            }
          })
        )
        if (names.size === 1) name = [...names][0]
        else if (names.size > 1)
          yield* Effect.logWarning(
            "the store holds manifests of several clusters; set DMP_CLUSTER_BASE_DOMAIN"
          )
      }

      const arrived = yield* Queue.sliding<string>(64)
      yield* feed.subscribe(({ changes }) => {
        for (const change of changes)
          if (
            change._tag === "Put" &&
            change.row.owner.startsWith("cluster.") &&
            (name === undefined || change.row.owner === `cluster.${name}`) &&
            change.row.value !== installed?.wire
          )
            arrived.unsafeOffer(change.row.value)
      })
      yield* Queue.take(arrived).pipe(
        Effect.flatMap((wire) => offer(wire, "a write to the zone")),
        Effect.catchAllCause((cause) => Effect.logError("a manifest was not installed", cause)),
        Effect.forever,
        Effect.forkScoped
      )

      const offerStored = Effect.gen(function* () {
        if (name === undefined) return
        const seconds = yield* UnixTime.now
        const owner = parseName(`cluster.${name}`)
        const stored = Option.match(owner, {
          onNone: () => [],
          onSome: (at) => zone.live(at, seconds)
        })
        for (const { value } of stored) yield* offer(value, "the store")
      })

      return ManifestInstall.of({
        offer,
        offerStored,
        installed: () => Option.fromNullable(installed),
        nodeAt: ({ href }) => installed?.ids.get(href),
        clusterName: () => Option.fromNullable(name),
        gossips: () => pinned !== undefined && name !== undefined
      })
    })
  )
}

const idsOf = ({ nodes }: ClusterManifest.ClusterManifest): ReadonlyMap<string, string> =>
  new Map(
    nodes.flatMap(({ httpEndpoint, nodeId }) =>
      Option.toArray(
        Option.map(parseUrl(httpEndpoint), ({ href }): [string, string] => [href, nodeId])
      )
    )
  )

const verified = (
  wire: string,
  pinned: Uint8Array,
  now: number
): ClusterManifest.ClusterManifest | undefined =>
  Either.getOrUndefined(ClusterManifest.verify(wire, pinned, now))
