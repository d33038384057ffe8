/**
 * The node's credential databases, opened beside a running node: the same files by the same
 * rules of naming. Invariant: a command never makes a database somebody did not name.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import { Console, Context, Effect, Layer, Option } from "effect"
import { RegistrationConfig } from "../auth/RegistrationConfig.ts"
import * as SealedTsigKeys from "../auth/SealedTsigKeys.ts"
import type { TokenStore } from "../auth/TokenStore.ts"
import { TsigKeyStore } from "../auth/TsigKeyStore.ts"
import { type LoadedConfig, layer as settingsLayer, loadConfig } from "../Settings.ts"
import type { OpenError } from "../sql/OpenError.ts"
import * as SqlTokenStore from "../sql/SqlTokenStore.ts"
import * as SqlTsigKeyStore from "../sql/SqlTsigKeyStore.ts"
import { type AdminFailure, failed, usage } from "./AdminFailure.ts"

/** Where the operator's commands look, when not where the node would. */
export class AdminFiles extends Context.Tag("dnsmesh/cli/AdminFiles")<
  AdminFiles,
  {
    /** `--db` of `dnsmesh-node-admin`. */
    readonly tokenDb: Option.Option<string>
  }
>() {}

/** The node's configuration as it would be read now; the disk is left alone. */
export const settings: Effect.Effect<LoadedConfig["config"], AdminFailure> = loadConfig(
  process.env,
  { mayCreate: false }
).pipe(
  Effect.map(({ config }) => config),
  Effect.mapError((error) => failed(`error: ${error.message}`)),
  Effect.provide(NodeFileSystem.layer)
)

const opening = (error: OpenError) => failed(`error: ${error.message}`)

const checkPath = (path: string, mayCreate: boolean) =>
  Effect.suspend(() => {
    if (!existsSync(dirname(path)))
      return Effect.fail(usage(`error: DB parent directory does not exist: ${dirname(path)}`))
    return existsSync(path) || mayCreate
      ? Effect.void
      : Effect.fail(
          usage(`error: DB does not exist: ${path} (the node makes it, or --db with token issue)`)
        )
  })

/** The token database. One that was named may be made by a command that fills it. */
export const withTokens = <A, E, R>(
  body: Effect.Effect<A, E, R>,
  options: { readonly fills: boolean } = { fills: false }
): Effect.Effect<
  A,
  E | AdminFailure,
  Exclude<Exclude<R, TokenStore>, RegistrationConfig> | AdminFiles
> =>
  Effect.gen(function* () {
    const { tokenDb } = yield* AdminFiles
    const { registration, store } = yield* settings
    const path = Option.getOrElse(tokenDb, () => store.tokenDbPath)
    yield* checkPath(path, options.fills && (Option.isSome(tokenDb) || store.tokenDbNamed))
    const stores = Layer.mapError(SqlTokenStore.layerFile(path), opening)
    return yield* body.pipe(
      Effect.provide(stores),
      Effect.provideService(RegistrationConfig, registration)
    )
  })

/** The TSIG keys of the node; none while it has no such database, made where UPDATE is on. */
export const withTsigKeys = <A, E, R>(
  body: Effect.Effect<A, E, R>,
  { fills }: { readonly fills: boolean } = { fills: false }
): Effect.Effect<A, E | AdminFailure, Exclude<R, TsigKeyStore>> =>
  Effect.gen(function* () {
    const config = yield* settings
    const path = config.store.tsigDbPath
    if (fills) yield* checkPath(path, config.update.updateEnabled)
    const file: Layer.Layer<TsigKeyStore, AdminFailure> =
      existsSync(path) || fills
        ? Layer.mapError(SqlTsigKeyStore.layerFile(path), opening)
        : TsigKeyStore.layerMemory
    const stores = SealedTsigKeys.layer.pipe(
      Layer.provide(file),
      Layer.provide(settingsLayer(config))
    )
    return yield* Effect.provide(body, stores)
  })

const trail: Layer.Layer<never, AdminFailure, AdminFiles> = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { tokenDb } = yield* AdminFiles
    const { store } = yield* settings
    const path = Option.getOrElse(tokenDb, () => store.tokenDbPath)
    if (!existsSync(path)) return Layer.empty
    return Layer.catchAll(SqlTokenStore.layerFile(path), ({ message }) =>
      Layer.effectDiscard(Console.error(`warning: not in the audit trail: ${message}`))
    )
  })
)

/**
 * For what leaves a line in the audit trail: the token database, where that lies, is open too if
 * there is one. Nothing is left undone because the line cannot be written.
 */
export const withTrail = Effect.provide(trail)
