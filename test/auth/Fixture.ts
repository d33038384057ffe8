/** Layers and shorthands for tests of credentials over memory. */
import { ConfigProvider, Effect, Either, Layer, Metric, Option } from "effect"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import { Audit } from "../../src/auth/Audit.ts"
import { AuthConfig } from "../../src/auth/AuthConfig.ts"
import { Challenges } from "../../src/auth/Challenges.ts"
import * as MemoryTokenStore from "../../src/auth/MemoryTokenStore.ts"
import { Registration } from "../../src/auth/Registration.ts"
import { RegistrationConfig } from "../../src/auth/RegistrationConfig.ts"
import { TokenAuth } from "../../src/auth/TokenAuth.ts"
import { TokenCache } from "../../src/auth/TokenCache.ts"
import * as Tokens from "../../src/auth/Tokens.ts"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { UpdateConfig } from "../../src/auth/UpdateConfig.ts"

export const environment = {
  DMP_AUTH_MODE: "multi-tenant",
  DMP_OPERATOR_TOKEN: "operator-token-of-this-test",
  DMP_REGISTRATION_ENABLED: "1",
  DMP_NODE_HOSTNAME: "dmp.example.com",
  DMP_SERVED_ZONE: "example.com",
  DMP_DNS_UPDATE_ENABLED: "1"
}

export const zone = Layer.sync(AnswerIndex, () => new LiveZone(0))

/** Everything about credentials over memory, configured by `environment` and `overrides`. */
export const credentials = (overrides: Readonly<Record<string, string>> = {}) =>
  Layer.mergeAll(Tokens.layer, Registration.layer).pipe(
    Layer.provideMerge(
      Layer.mergeAll(TokenCache.layer, Audit.layer, Challenges.layer, TsigKeys.layerEmpty)
    ),
    Layer.provideMerge(Layer.mergeAll(MemoryTokenStore.layer, TsigKeyStore.layerMemory, zone)),
    Layer.provideMerge(
      Layer.mergeAll(
        AuthConfig.layer,
        RegistrationConfig.layer,
        UpdateConfig.layer,
        ZoneConfig.layer
      )
    ),
    Layer.provide(
      Layer.setConfigProvider(
        ConfigProvider.fromMap(new Map(Object.entries({ ...environment, ...overrides })))
      )
    )
  )

/** What a token gets for a write: the grant's `_tag` is `Granted`. */
export const ask = (
  token: string,
  owner: string,
  operation: "publish" | "delete" = "publish",
  remote = "192.0.2.7"
) =>
  Effect.flatMap(TokenAuth, (tokens) =>
    Effect.either(tokens.authorize(token, operation, owner, remote))
  ).pipe(
    Effect.map((answer) =>
      Either.match(answer, {
        onLeft: (error) => (error._tag === "TokenDenied" ? error.denial._tag : error._tag),
        onRight: () => "Granted" as const
      })
    )
  )

/** The count of a counter now; the registry of metrics is the process's. */
export const count = (name: string, label: string, value: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (pairs) =>
    Option.fromNullable(
      pairs.find(
        ({ metricKey }) =>
          metricKey.name === name &&
          metricKey.tags.some((tag) => tag.key === label && tag.value === value)
      )
    ).pipe(
      Option.map(({ metricState }) => Number(Reflect.get(metricState, "count"))),
      Option.getOrElse(() => Number.NaN)
    )
  )
