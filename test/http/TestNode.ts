/** A whole HTTP front on a loopback port of the kernel's choice, over a store in memory that can be told to fail or to wait. */
import {
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Layer,
  Option,
  Redacted,
  type Scope,
  Stream
} from "effect"
import { connect, type Socket } from "node:net"
import { Account } from "../../src/auth/Account.ts"
import { AuthConfig, type AuthConfigShape } from "../../src/auth/AuthConfig.ts"
import { Registration } from "../../src/auth/Registration.ts"
import { RegistrationConfig } from "../../src/auth/RegistrationConfig.ts"
import { ClaimAuth } from "../../src/auth/ClaimAuth.ts"
import { Gossip } from "../../src/peers/Gossip.ts"
import { HeartbeatConfig } from "../../src/peers/HeartbeatConfig.ts"
import { ManifestInstall } from "../../src/peers/ManifestInstall.ts"
import { PeersConfig } from "../../src/peers/PeersConfig.ts"
import { SyncServer } from "../../src/peers/SyncServer.ts"
import { TokenAuth } from "../../src/auth/TokenAuth.ts"
import { UpdateConfig } from "../../src/auth/UpdateConfig.ts"
import { HttpConfig, type HttpConfigShape } from "../../src/http/HttpConfig.ts"
import { HttpListeners } from "../../src/http/HttpListeners.ts"
import { HttpServer } from "../../src/http/HttpServer.ts"
import { LifecycleConfig } from "../../src/runtime/LifecycleConfig.ts"
import { Readiness } from "../../src/runtime/Readiness.ts"
import { TopTalkers } from "../../src/runtime/TopTalkers.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { Limits, type LimitsShape } from "../../src/zone/Limits.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { RecordStore, type StoreError } from "../../src/zone/RecordStore.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import { noZone } from "../fixtures/Zones.ts"

export const operatorToken = "op-secret-token"

export interface Options {
  readonly http?: Partial<HttpConfigShape>
  readonly auth?: Partial<AuthConfigShape>
  readonly limits?: Partial<LimitsShape>
  readonly tokens?: Layer.Layer<TokenAuth>
  readonly account?: Layer.Layer<Account>
  readonly registration?: Layer.Layer<Registration>
  readonly policy?: Layer.Layer<ContentPolicy>
  /** Seconds. */
  readonly shutdownTimeout?: number
  /** Settings of the areas that are not overridden above. */
  readonly environment?: Readonly<Record<string, string>>
}

export interface TestNode {
  readonly port: number
  readonly url: string
  /** From now on the store fails with this; undefined heals it. */
  readonly failStore: (error: StoreError | undefined) => void
  /** From now on commits wait until the deferred is done. */
  readonly holdCommits: (gate: Deferred.Deferred<void>) => void
}

const httpDefaults: HttpConfigShape = {
  hosts: ["127.0.0.1"],
  port: 0,
  rate: 0,
  burst: 0,
  rateExempt: [],
  maxConcurrency: 64,
  maxConnections: 1024,
  trustedProxies: [],
  maxBodyBytes: 16_384,
  headersTimeout: 10,
  requestTimeout: 30,
  keepAliveTimeout: 125
}

const authDefaults: AuthConfigShape = {
  mode: "open",
  modeDerived: true,
  operatorToken: Option.none(),
  allowOpenPublicBind: false,
  recordValidation: "off"
}

/** Mode `legacy` or `multi-tenant` with the operator's token set. */
export const closed = (mode: AuthConfigShape["mode"]): Partial<AuthConfigShape> => ({
  mode,
  modeDerived: false,
  operatorToken: Option.some(Redacted.make(operatorToken))
})

export const start = (options: Options = {}): Effect.Effect<TestNode, never, Scope.Scope> =>
  Effect.gen(function* () {
    let failure: StoreError | undefined
    let gate: Deferred.Deferred<void> | undefined
    const guard = Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))
    const store = Layer.succeed(RecordStore, {
      commit: () =>
        Effect.suspend(() =>
          gate === undefined ? guard : Effect.zipRight(Deferred.await(gate), guard)
        ),
      fill: () => Effect.void,
      live: () => Stream.empty,
      sweep: () => Effect.succeed(0),
      digest: () => Effect.succeed([]),
      rowsAt: () => Effect.as(guard, []),
      newest: Effect.succeed(0),
      restamp: () => Effect.succeed(0),
      serialMark: Effect.succeed(undefined),
      markSerial: () => guard,
      probe: guard,
      usage: () => Effect.succeed({ databaseBytes: 0, walBytes: 0, expiredRows: 0 })
    })
    const layer = HttpServer.layer.pipe(
      Layer.provide(HttpListeners.layer),
      Layer.provide(Publisher.layer),
      Layer.provide(AnswerIndex.layer),
      Layer.provide([
        store,
        ChangeFeed.layer,
        options.policy ?? ContentPolicy.layerAcceptAll,
        options.tokens ?? TokenAuth.layerRefuseAll,
        options.registration ?? Registration.layerDisabled,
        options.account ?? Account.layerAbsent,
        RegistrationConfig.layer,
        UpdateConfig.layer,
        PeersConfig.layer,
        HeartbeatConfig.layer,
        // Only the routes of clusters and of old releases ask these, and both are off.
        Layer.succeed(ClaimAuth, { judge: () => ({ _tag: "Throttled" }) }),
        Layer.mock(Gossip, {}),
        Layer.mock(SyncServer, {}),
        Layer.mock(ManifestInstall, {
          installed: Option.none,
          nodeAt: () => undefined,
          gossips: () => false
        }),
        Limits.layer(options.limits),
        Readiness.layer,
        TopTalkers.layer,
        Layer.succeed(HttpConfig, { ...httpDefaults, ...options.http }),
        Layer.succeed(AuthConfig, { ...authDefaults, ...options.auth }),
        Layer.succeed(LifecycleConfig, { shutdownTimeout: options.shutdownTimeout ?? 2 }),
        Layer.succeed(ZoneConfig, noZone)
      ])
    )
    const { addresses } = Context.get(yield* Layer.build(layer), HttpServer)
    const port = addresses[0]!.port
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      failStore: (error: StoreError | undefined) => {
        failure = error
      },
      holdCommits: (held: Deferred.Deferred<void>) => {
        gate = held
      }
    }
  }).pipe(
    Effect.withConfigProvider(
      ConfigProvider.fromMap(new Map(Object.entries(options.environment ?? {})))
    ),
    Effect.orDie
  )

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of a body that is a JSON object; `{}` otherwise. */
  readonly json: Readonly<Record<string, unknown>>
}

export const ask = (
  node: TestNode,
  method: string,
  path: string,
  options: {
    readonly body?: string | Uint8Array
    readonly token?: string
    readonly headers?: Record<string, string>
  } = {}
): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    const response = await fetch(node.url + path, {
      method,
      ...(options.body === undefined ? {} : { body: options.body }),
      headers: {
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers
      }
    })
    const text = await response.text()
    const json = text.startsWith("{") ? JSON.parse(text) : {}
    return { status: response.status, headers: response.headers, text, json }
  })

export const publish = (
  node: TestNode,
  name: string,
  value: unknown,
  ttl: unknown = 60,
  token?: string
): Effect.Effect<Answer> =>
  ask(node, "POST", `/v1/records/${name}`, {
    body: JSON.stringify({ value, ttl }),
    ...(token === undefined ? {} : { token })
  })

/**
 * Sends raw octets, closing our side behind them if `halfClosed`, and yields all that comes
 * back until the peer closes or `millis` pass.
 */
export const raw = (
  node: TestNode,
  parts: ReadonlyArray<string | Uint8Array>,
  millis = 3000,
  halfClosed = false
): Effect.Effect<{ readonly text: string; readonly closed: boolean }> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    const socket: Socket = connect(node.port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part)
      if (halfClosed) socket.end()
    })
    const finish = (closed: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resume(Effect.succeed({ text: Buffer.concat(chunks).toString("latin1"), closed }))
    }
    const timer = setTimeout(() => finish(false), millis)
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", () => {})
    socket.on("close", () => finish(true))
  })
