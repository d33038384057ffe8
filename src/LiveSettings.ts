/**
 * Settings that take effect while the node runs, because the files they come from have changed.
 * All files are read again and the whole configuration is checked as at the start; only if it is
 * sound is anything taken over. Whoever uses such a setting reads it when it is needed.
 */
import type { FileSystem } from "@effect/platform/FileSystem"
import { Effect, Layer, Record } from "effect"
import * as Registration from "./auth/RegistrationConfig.ts"
import * as Heartbeat from "./peers/HeartbeatConfig.ts"
import * as Peers from "./peers/PeersConfig.ts"
import { PeerStates } from "./peers/PeerState.ts"
import { Reload } from "./peers/Reload.ts"
import { type Environment, fileVariable, isSet } from "./runtime/Environment.ts"
import { namesOf, type Setting } from "./runtime/Setting.ts"
import { all, type LoadedConfig, loadConfig, type NodeConfig } from "./Settings.ts"

const live = {
  peers: {
    settings: Peers.settings,
    keys: ["syncToken", "acceptedSyncTokens", "peerTokens", "acceptedPeerTokens"]
  },
  heartbeat: { settings: Heartbeat.settings, keys: ["seeds"] },
  registration: { settings: Registration.settings, keys: ["allowlist"] }
} as const

const liveSettings: ReadonlyArray<Setting<unknown>> = [
  ...live.peers.keys.map((key) => live.peers.settings[key]),
  ...live.heartbeat.keys.map((key) => live.heartbeat.settings[key]),
  ...live.registration.keys.map((key) => live.registration.settings[key])
]

/** For the reference page. */
export const liveNames: ReadonlyArray<string> = liveSettings.map(({ name }) => name)

/** Every file that holds a setting's value. */
const files = (environment: Environment): ReadonlyArray<string> =>
  all
    .filter(({ inFile }) => inFile)
    .flatMap((setting) => namesOf(setting).map(fileVariable))
    .filter((variable) => isSet(environment, variable))
    .map((variable) => (environment[variable] ?? "").trim())

const valueIn = (environment: Environment, setting: Setting<unknown>): string | undefined =>
  namesOf(setting)
    .map((name) => environment[name])
    .find((text) => text !== undefined && text.trim() !== "")

/** Puts what may change of `next` in the place of what `config` has. */
const takeOver = (config: NodeConfig, next: NodeConfig): void => {
  Object.assign(
    config.peers,
    Record.filter(next.peers, (_, key) => has(live.peers.keys, key))
  )
  Object.assign(
    config.heartbeat,
    Record.filter(next.heartbeat, (_, key) => has(live.heartbeat.keys, key))
  )
  Object.assign(
    config.registration,
    Record.filter(next.registration, (_, key) => has(live.registration.keys, key))
  )
}

const has = (keys: ReadonlyArray<string>, key: string): boolean => keys.includes(key)

/**
 * Follows the files that `variables` name. `loaded` is what the node runs with: its parts are
 * changed in place.
 */
export const layer = (
  loaded: LoadedConfig,
  variables: Environment
): Layer.Layer<never, never, Reload | PeerStates | FileSystem> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const reload = yield* Reload
      const states = yield* PeerStates
      const context = yield* Effect.context<FileSystem>()
      const paths = files(variables)
      if (paths.length === 0) return
      let current = loaded.environment

      const reread = Effect.gen(function* () {
        const read = yield* Effect.either(loadConfig(variables, { mayCreate: false }))
        if (read._tag === "Left") {
          for (const line of read.left.lines) yield* Effect.logError(line)
          return "they cannot be used, everything stays as it was"
        }
        const { config, environment } = read.right
        const changed = all.filter(
          (setting) => valueIn(environment, setting) !== valueIn(current, setting)
        )
        const waiting = changed.filter((setting) => !liveSettings.includes(setting))
        const joins = Peers.isInCluster(config.peers) !== Peers.isInCluster(loaded.config.peers)
        const taken = joins ? [] : changed.filter((setting) => liveSettings.includes(setting))
        if (!joins) {
          takeOver(loaded.config, config)
          current = environment
          // A peer that refused the old token is not left waiting for its next turn.
          if (taken.length > 0) yield* states.wake({ nodeId: undefined, endpoint: undefined })
        }
        const late = joins ? changed : waiting
        if (late.length > 0)
          yield* Effect.logWarning(
            `${namesIn(late)} changed in a file and will count from the next start`
          )
        return taken.length === 0 ? "nothing new" : `${namesIn(taken)} changed`
      }).pipe(Effect.provide(context))

      yield* reload.register("the files of settings", reread, ...new Set(paths))
    })
  )

const namesIn = (settings: ReadonlyArray<Setting<unknown>>): string =>
  settings.map(({ name }) => name).join(", ")
