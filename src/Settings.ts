/**
 * Every setting of every area: what the reference page lists, what the environment is checked
 * against, and the one validated read at boot that gives each area its own part.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import { Array, ConfigError, ConfigProvider, Context, Effect, Layer, Option } from "effect"
import * as Auth from "./auth/AuthConfig.ts"
import * as Registration from "./auth/RegistrationConfig.ts"
import * as Update from "./auth/UpdateConfig.ts"
import * as Dns from "./dns/DnsConfig.ts"
import * as Transfer from "./dns/TransferConfig.ts"
import * as Http from "./http/HttpConfig.ts"
import * as Heartbeat from "./peers/HeartbeatConfig.ts"
import * as Peers from "./peers/PeersConfig.ts"
import { ConfigMistakes, fromConfigError, type Mistake } from "./runtime/ConfigMistakes.ts"
import {
  aliasNotices,
  type Environment,
  type Notice,
  unknownNotices
} from "./runtime/Environment.ts"
import * as Lifecycle from "./runtime/LifecycleConfig.ts"
import * as Log from "./runtime/LogConfig.ts"
import * as SecretFiles from "./runtime/SecretFiles.ts"
import { mistake, type Setting } from "./runtime/Setting.ts"
import * as Tracing from "./runtime/TracingConfig.ts"
import * as Backup from "./sql/BackupConfig.ts"
import * as Store from "./sql/StoreConfig.ts"
import { Limits } from "./zone/Limits.ts"
import * as PublishLimits from "./zone/LimitsConfig.ts"
import * as Zone from "./zone/ZoneConfig.ts"

export interface Area {
  readonly title: string
  readonly settings: Readonly<Record<string, Setting<unknown>>>
}

/** In the order of the reference page. */
export const areas: ReadonlyArray<Area> = [
  { title: "Storage", settings: Store.settings },
  { title: "Backups", settings: Backup.settings },
  { title: "Logging", settings: Log.settings },
  { title: "Zones", settings: Zone.settings },
  { title: "DNS server", settings: Dns.settings },
  { title: "Secondaries", settings: Transfer.settings },
  { title: "DNS UPDATE and claims", settings: Update.settings },
  { title: "HTTP API", settings: Http.settings },
  { title: "Authorisation", settings: Auth.settings },
  { title: "Registration and tokens", settings: Registration.settings },
  { title: "Publish-side resource caps", settings: PublishLimits.settings },
  { title: "Cluster and peers", settings: Peers.settings },
  { title: "Heartbeats and discovery", settings: Heartbeat.settings },
  { title: "Lifecycle", settings: Lifecycle.settings },
  { title: "Tracing", settings: Tracing.settings }
]

export const all: ReadonlyArray<Setting<unknown>> = areas.flatMap(({ settings }) =>
  Object.values(settings)
)

/** Names of older nodes and of the scripts around them: known, without effect here. */
export const outdated: ReadonlyArray<string> = [
  "DMP_CLAIM_MAX_AGE_SECONDS",
  "DMP_HEARTBEAT_GOSSIP_LIMIT",
  "DMP_HEARTBEAT_SEEN_BURST",
  "DMP_HEARTBEAT_SEEN_RATE_PER_SEC",
  "DMP_HEARTBEAT_SUBMIT_BURST",
  "DMP_HEARTBEAT_SUBMIT_RATE_PER_SEC",
  "DMP_IMAGE_TAG",
  "DMP_KEEP_SYSTEMD_RESOLVED",
  "DMP_NODE_OPERATOR_KEY_PATH",
  "DMP_REGISTRATION_RATE"
]

const configs = {
  store: Store.config,
  backup: Backup.config,
  log: Log.config,
  zone: Zone.config,
  dns: Dns.config,
  transfer: Transfer.config,
  update: Update.config,
  http: Http.config,
  auth: Auth.config,
  registration: Registration.config,
  limits: PublishLimits.config,
  peers: Peers.config,
  heartbeat: Heartbeat.config,
  lifecycle: Lifecycle.config,
  tracing: Tracing.config
}

// What no area can see alone. Settings that are wrong themselves have already said so.
const openBind = Effect.all([
  Auth.settings.mode.config,
  Auth.settings.allowOpenPublicBind.config,
  Http.settings.hosts.config
]).pipe(
  Effect.map(([mode, allowOpenPublicBind, hosts]) =>
    Option.flatMap(mode, (set) =>
      Auth.openBindProblem({ mode: set, modeDerived: false, allowOpenPublicBind }, hosts)
    )
  ),
  Effect.orElseSucceed(() => Option.none<string>()),
  Effect.flatMap(
    Option.match({
      onNone: () => Effect.void,
      onSome: (problem) => Effect.fail(mistake("DMP_AUTH_MODE", problem))
    })
  )
)

const longZone = Effect.all([Heartbeat.settings.enabled.config, Zone.config]).pipe(
  Effect.map(([enabled, { servedZone }]) => Heartbeat.zoneProblem(enabled, servedZone)),
  Effect.orElseSucceed(() => Option.none<string>()),
  Effect.flatMap(
    Option.match({
      onNone: () => Effect.void,
      onSome: (problem) => Effect.fail(mistake("DMP_HEARTBEAT_ENABLED", problem))
    })
  )
)

const validated = Effect.all({ ...configs, openBind, longZone }, { mode: "validate" }).pipe(
  Effect.mapError((errors): ReadonlyArray<ConfigError.ConfigError> =>
    Array.getSomes(Object.values(errors))
  )
)

export type NodeConfig = Omit<Effect.Effect.Success<typeof validated>, "openBind" | "longZone">

export interface LoadedConfig {
  readonly config: NodeConfig
  /** To be logged as soon as logging is up. */
  readonly notices: ReadonlyArray<Notice>
  /** What was read, secrets of files included: never to be printed. */
  readonly environment: Environment
}

const providerOf = (environment: Environment): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromMap(
    new Map(
      Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined)
    ),
    // No name contains it: a variable's name is one key, never a path.
    { pathDelim: "\u0000" }
  )

/**
 * Reads and checks the whole configuration. `mayCreate: false` leaves the disk alone, for a
 * check without a start.
 */
export const loadConfig = (
  environment: Environment,
  options: { readonly mayCreate: boolean } = { mayCreate: true }
): Effect.Effect<LoadedConfig, ConfigMistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const secrets = yield* SecretFiles.read(environment, all, {
      ...options,
      generated: Auth.settings.operatorToken
    })
    const read = yield* Effect.either(
      Effect.withConfigProvider(validated, providerOf(secrets.environment))
    )
    const mistakes: ReadonlyArray<Mistake> =
      read._tag === "Left"
        ? [...secrets.mistakes, ...read.left.flatMap(fromConfigError)]
        : secrets.mistakes
    if (read._tag === "Left" || mistakes.length > 0)
      return yield* new ConfigMistakes({ mistakes: distinct(mistakes) })
    const notices = [
      ...aliasNotices(environment, all),
      ...unknownNotices(environment, all, outdated),
      ...secrets.notices
    ]
    return { config: read.right, notices, environment: secrets.environment }
  })

// An environment read twice, by its own area and with another, complains twice.
const distinct = (mistakes: ReadonlyArray<Mistake>): ReadonlyArray<Mistake> =>
  Array.dedupeWith(
    mistakes,
    (a: Mistake, b: Mistake) => a.variable === b.variable && a.problem === b.problem
  )

/** Every area's own part of a configuration that was read once. */
export const layer = (config: NodeConfig) =>
  Layer.succeedContext(
    Context.empty().pipe(
      Context.add(Store.StoreConfig, config.store),
      Context.add(Backup.BackupConfig, config.backup),
      Context.add(Log.LogConfig, config.log),
      Context.add(Zone.ZoneConfig, config.zone),
      Context.add(Dns.DnsConfig, config.dns),
      Context.add(Transfer.TransferConfig, config.transfer),
      Context.add(Update.UpdateConfig, config.update),
      Context.add(Http.HttpConfig, config.http),
      Context.add(Auth.AuthConfig, config.auth),
      Context.add(Registration.RegistrationConfig, config.registration),
      Context.add(Limits, config.limits),
      Context.add(Peers.PeersConfig, config.peers),
      Context.add(Heartbeat.HeartbeatConfig, config.heartbeat),
      Context.add(Lifecycle.LifecycleConfig, config.lifecycle),
      Context.add(Tracing.TracingConfig, config.tracing)
    )
  )
