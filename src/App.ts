/** The node as one layer graph: the only file that chooses implementations. */
import { dirname } from "node:path"
import { Effect, Layer, Option } from "effect"
import { Account } from "./auth/Account.ts"
import * as Audit from "./auth/Audit.ts"
import { AuthConfig } from "./auth/AuthConfig.ts"
import { Challenges } from "./auth/Challenges.ts"
import * as CredentialUpkeep from "./auth/CredentialUpkeep.ts"
import { ClaimAuth } from "./auth/ClaimAuth.ts"
import { TokensChanged, TsigKeysChanged } from "./auth/CredentialsChanged.ts"
import * as MemoryTokenStore from "./auth/MemoryTokenStore.ts"
import * as RecordPolicy from "./auth/RecordPolicy.ts"
import { Registration } from "./auth/Registration.ts"
import type { RegistrationConfig } from "./auth/RegistrationConfig.ts"
import * as SealedTsigKeys from "./auth/SealedTsigKeys.ts"
import { TokenAuth } from "./auth/TokenAuth.ts"
import { TokenCache } from "./auth/TokenCache.ts"
import * as Tokens from "./auth/Tokens.ts"
import type { TokenStore } from "./auth/TokenStore.ts"
import { TsigKeys } from "./auth/TsigKeys.ts"
import { TsigKeyStore } from "./auth/TsigKeyStore.ts"
import { UpdateConfig } from "./auth/UpdateConfig.ts"
import * as Record from "./dmp/Record.ts"
import * as DnsServer from "./dns/DnsServer.ts"
import * as HttpsExchange from "./dns/HttpsExchange.ts"
import * as Notifier from "./dns/Notifier.ts"
import { Pipeline } from "./dns/Pipeline.ts"
import { Responder } from "./dns/Responder.ts"
import { SignedExchange } from "./dns/SignedExchange.ts"
import { SlowPath } from "./dns/SlowPath.ts"
import { Transfer } from "./dns/Transfer.ts"
import { UpdateHandler } from "./dns/UpdateHandler.ts"
import { Workers } from "./dns/Workers.ts"
import * as Admin from "./http/admin/Admin.ts"
import { CredentialStores } from "./http/CredentialStores.ts"
import { HttpListeners } from "./http/HttpListeners.ts"
import { HttpServer } from "./http/HttpServer.ts"
import * as PeerFacts from "./http/PeerFacts.ts"
import { SyncListener } from "./http/SyncListener.ts"
import { SyncListeners } from "./http/SyncListeners.ts"
import * as Cluster from "./peers/Cluster.ts"
import * as Discovery from "./peers/Discovery.ts"
import { Gossip } from "./peers/Gossip.ts"
import { HeartbeatConfig } from "./peers/HeartbeatConfig.ts"
import { OwnIdentity } from "./peers/OwnIdentity.ts"
import { PeerClient } from "./peers/PeerClient.ts"
import { isInCluster } from "./peers/PeersConfig.ts"
import { Reload } from "./peers/Reload.ts"
import { SeenStore } from "./peers/SeenStore.ts"
import { SyncState } from "./peers/SyncState.ts"
import * as DiskSpace from "./runtime/DiskSpace.ts"
import * as Logging from "./runtime/Logging.ts"
import * as ProcessMetrics from "./runtime/ProcessMetrics.ts"
import { Readiness } from "./runtime/Readiness.ts"
import { SecurityLog } from "./runtime/SecurityLog.ts"
import { TopTalkers } from "./runtime/TopTalkers.ts"
import * as Tracing from "./runtime/Tracing.ts"
import * as Upkeep from "./runtime/Upkeep.ts"
import * as Settings from "./Settings.ts"
import * as FileUpkeep from "./sql/FileUpkeep.ts"
import * as ScheduledBackup from "./sql/ScheduledBackup.ts"
import * as SqlSeenStore from "./sql/SqlSeenStore.ts"
import * as SqlSyncState from "./sql/SqlSyncState.ts"
import * as SqlTokenStore from "./sql/SqlTokenStore.ts"
import * as SqlTsigKeyStore from "./sql/SqlTsigKeyStore.ts"
import { StoreThread } from "./sql/StoreThread.ts"
import { build } from "./Version.ts"
import { AnswerIndex } from "./zone/AnswerIndex.ts"
import { ChangeFeed } from "./zone/ChangeFeed.ts"
import * as Cleanup from "./zone/Cleanup.ts"
import * as Expiry from "./zone/Expiry.ts"
import * as MemoryWatch from "./zone/MemoryWatch.ts"
import { Publisher } from "./zone/Publisher.ts"
import type { RecordStore } from "./zone/RecordStore.ts"
import { ServedZones } from "./zone/ServedZones.ts"
import * as Stamps from "./zone/Stamps.ts"
import * as StoreReadiness from "./zone/StoreReadiness.ts"
import { ZoneConfig } from "./zone/ZoneConfig.ts"
import { ZoneVersions } from "./zone/ZoneVersions.ts"

/** Free octets below which the node calls itself not ready: a commit needs room for its WAL. */
const leastFree = 64 * 2 ** 20

/** What the node keeps. */
export type Stores = RecordStore | SeenStore | SyncState | TokenStore | TsigKeyStore

/** The zone in memory over the store, and the one way to change it. */
const zone = Layer.mergeAll(
  Publisher.layer,
  ZoneVersions.layer,
  Expiry.layer,
  MemoryWatch.layer,
  Stamps.layer,
  cleanup()
).pipe(
  Layer.provideMerge(AnswerIndex.layer),
  Layer.provideMerge(Layer.mergeAll(ChangeFeed.layer, ServedZones.layer, RecordPolicy.layer))
)

function cleanup() {
  return Layer.unwrapEffect(
    Effect.map(ZoneConfig, ({ cleanupInterval }) => Cleanup.layer(`${cleanupInterval} seconds`))
  )
}

const tsigKeys = Layer.unwrapEffect(
  Effect.map(UpdateConfig, ({ updateEnabled }) =>
    updateEnabled ? TsigKeys.layer : TsigKeys.layerEmpty
  )
)

/** What is kept of tokens in memory follows what the operator changes. */
const tokensChanged = Layer.effect(
  TokensChanged,
  Effect.map(TokenCache, ({ refresh }) => refresh)
)

const tsigKeysChanged = Layer.effect(
  TsigKeysChanged,
  Effect.map(TsigKeys, ({ refresh }) => refresh)
).pipe(Layer.provide(tsigKeys))

/** User tokens and registration, where the mode has users. */
const users = Layer.unwrapEffect(
  Effect.map(AuthConfig, ({ mode }) =>
    mode === "multi-tenant"
      ? Layer.mergeAll(Tokens.layer, Registration.layer, Account.layer, tokensChanged).pipe(
          Layer.provide([Audit.Audit.layer, Challenges.layer, TokenCache.layer, tsigKeys])
        )
      : Layer.mergeAll(
          TokenAuth.layerRefuseAll,
          Registration.layerDisabled,
          Account.layerAbsent,
          Layer.succeed(TokensChanged, Effect.void)
        )
  )
)

/** The trail of signed updates, where tokens have one. Built once, whoever asks for it. */
const trail: Layer.Layer<never, never, AuthConfig | RegistrationConfig | TokenStore> =
  Layer.unwrapEffect(
    Effect.map(AuthConfig, ({ mode }) =>
      mode === "multi-tenant" ? Audit.Audit.layer : Layer.empty
    )
  )

/** The way of DNS messages, whichever door they come through. */
const messages = Pipeline.layer.pipe(
  Layer.provide(SlowPath.layer),
  Layer.provide([Transfer.layer, UpdateHandler.layer]),
  Layer.provideMerge(Responder.layer),
  Layer.provide([SignedExchange.layer, ClaimAuth.layer]),
  Layer.provide([tsigKeys, trail])
)

const dns = Layer.mergeAll(Workers.layer, Notifier.layer).pipe(
  // Threads beside the main one start after it answers and end before it stops.
  Layer.provide(DnsServer.layer),
  Layer.provide(messages)
)

const dashboard = Admin.layer({
  kindOf: (octets) => Record.typeOf(octets) ?? "other",
  version: `${build.version} (${build.commit})`
})

const discovery = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { version } = yield* HeartbeatConfig
    const { claimProvider, updateEnabled } = yield* UpdateConfig
    const { servedZone } = yield* ZoneConfig
    return Discovery.layer({
      version: Option.getOrElse(version, () => build.version),
      claimProvider: claimProvider && updateEnabled && Option.isSome(servedZone)
    })
  })
)

/** Tells whoever keeps tokens in memory, where the mode has users. */
const usersChanged = Layer.unwrapEffect(
  Effect.map(AuthConfig, ({ mode }) =>
    mode === "multi-tenant"
      ? tokensChanged.pipe(Layer.provide(TokenCache.layer))
      : Layer.succeed(TokensChanged, Effect.void)
  )
)

const credentialUpkeep = Layer.unwrapEffect(Effect.map(CredentialUpkeep.tasks, Upkeep.layer)).pipe(
  Layer.provide(usersChanged)
)

/** What writes by itself. It ends first, so that the doors have but their own requests to finish. */
const producers = Layer.mergeAll(discovery, Cluster.layerFollowing, credentialUpkeep)

/** Other nodes: those of the same cluster, and strangers. */
const peers = Reload.layerSignal.pipe(
  Layer.provideMerge(PeerFacts.layer(build.version)),
  Layer.provideMerge(Layer.mergeAll(Cluster.layerServing, Gossip.layer)),
  Layer.provideMerge(Layer.mergeAll(PeerClient.layer, OwnIdentity.layer, Reload.layer))
)

const http = HttpServer.layer.pipe(
  Layer.provide([dashboard, CredentialStores.layer]),
  Layer.provide(ClaimAuth.layer.pipe(Layer.provide(tsigKeys))),
  Layer.provide([users, tsigKeysChanged, HttpsExchange.layer]),
  Layer.provide(messages)
)

/** Everything above the stores; tests give it memory stores, `layer` gives it SQL. */
export const layerOver = <A, E, R>(stores: Layer.Layer<Stores | A, E, R>) =>
  producers.pipe(
    // The doors end together, each with the whole budget.
    Layer.provideMerge(
      Layer.mergeAll(
        dns,
        http,
        SyncListener.layer,
        ProcessMetrics.layer(build),
        StoreReadiness.layer
      )
    ),
    Layer.provideMerge(peers),
    Layer.provideMerge(zone),
    Layer.provideMerge(stores),
    Layer.provideMerge(SecurityLog.layer),
    // Every address is had before anything is opened, written or started.
    Layer.provideMerge(
      Layer.mergeAll(DnsServer.DnsListeners.layer, HttpListeners.layer, SyncListeners.layer)
    ),
    Layer.provideMerge(Layer.mergeAll(Readiness.layer, TopTalkers.layer))
  )

/** The databases, on a thread of their own; those that the configuration has no use for stay away. */
const sql = ({ auth, heartbeat, peers, store, update }: Settings.NodeConfig) =>
  Layer.mergeAll(
    isInCluster(peers)
      ? StoreThread.host(SqlSyncState.hosted, { path: store.syncDbPath })
      : SyncState.layerMemory,
    heartbeat.enabled
      ? StoreThread.host(SqlSeenStore.hosted, { path: store.heartbeatDbPath })
      : SeenStore.layerMemory,
    auth.mode === "multi-tenant" || store.tokenDbNamed
      ? StoreThread.host(SqlTokenStore.hosted, { path: store.tokenDbPath })
      : MemoryTokenStore.layer,
    update.updateEnabled
      ? SealedTsigKeys.layer.pipe(
          Layer.provide(StoreThread.host(SqlTsigKeyStore.hosted, { path: store.tsigDbPath }))
        )
      : TsigKeyStore.layerMemory
  ).pipe(Layer.provideMerge(StoreThread.layer({ dbPath: store.dbPath })))

const fileUpkeep = Layer.unwrapEffect(Effect.map(FileUpkeep.tasks, Upkeep.layer)).pipe(
  Layer.provide(StoreThread.host(FileUpkeep.hosted, { path: "every open file" }))
)

/** The node of one configuration, logging included. */
export const layer = (config: Settings.NodeConfig) =>
  Layer.mergeAll(
    ScheduledBackup.layer(build),
    fileUpkeep,
    DiskSpace.layer({ path: dirname(config.store.dbPath), atLeast: leastFree })
  ).pipe(
    Layer.provideMerge(layerOver(sql(config))),
    Layer.provide(Tracing.layer(build)),
    Layer.provideMerge(Logging.layer),
    Layer.provide(Settings.layer(config))
  )
