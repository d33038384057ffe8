/**
 * `/v1/sync/*`: the door of the cluster's other nodes. Order of checks: bucket, token,
 * parameters. A wrong token is 403 whatever was asked, and the operator's token opens nothing
 * but the status.
 */
import { Effect, Either, Option, Redacted, Schema } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import * as OperatorToken from "../auth/OperatorToken.ts"
import * as DigestQuery from "../peers/DigestQuery.ts"
import { PeersConfig } from "../peers/PeersConfig.ts"
import * as SyncApi from "../peers/SyncApi.ts"
import * as SyncMetrics from "../peers/SyncMetrics.ts"
import { SyncServer } from "../peers/SyncServer.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import * as Refusal from "./Refusal.ts"
import { empty, json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Method, Route } from "./Route.ts"

const forbidden = Refusal.forbidden("forbidden")
const bad = (error: string) => Refusal.badRequest("invalid-request", error)
const unavailable = (error: StoreError) => Refusal.storeUnavailable(error)

/** True for whoever presents one of `tokens`; the scheme is case-sensitive here. */
const presents = (tokens: ReadonlyArray<string>) => {
  const matchers = tokens.map((token) => OperatorToken.matcher(Redacted.make(token)))
  return (authorization: string | undefined): boolean => {
    if (authorization === undefined || !authorization.startsWith("Bearer ")) return false
    const token = Buffer.from(authorization.slice("Bearer ".length), "latin1")
    // Every one is tried, so that which of them matched does not show in the time taken.
    return matchers.map((matches) => matches(token)).includes(true)
  }
}

const commaSeparated = (text: Option.Option<Redacted.Redacted<string>>) =>
  Option.match(text, { onNone: () => [], onSome: (value) => Redacted.value(value).split(",") })
    .map((token) => token.trim())
    .filter((token) => token !== "")

const count = (text: string | null, fallback: number, max: number): number | undefined => {
  if (text === null) return fallback
  return /^[0-9]{1,15}$/.test(text) ? Math.min(Number(text), max) : undefined
}

/** The routes; without a configured cluster every one of them is 403. */
export const routes = Effect.gen(function* () {
  const config = yield* PeersConfig
  const { operatorToken } = yield* AuthConfig
  const server = yield* SyncServer
  const security = yield* SecurityLog
  const limiter = yield* RateLimiter.make({ rate: config.syncRate, burst: config.syncBurst })
  const own = Option.toArray(Option.map(config.syncToken, Redacted.value))
  const isPeer = presents([...own, ...commaSeparated(config.acceptedSyncTokens)])
  const isOperator = presents(Option.toArray(Option.map(operatorToken, Redacted.value)))

  const route = (
    name: string,
    method: Method,
    mayEnter: (authorization: string | undefined) => boolean,
    handle: (exchange: Exchange) => Effect.Effect<Reply, Refusal.Refusal>
  ): Route => {
    const template = `/v1/sync/${name}`
    return {
      template,
      matches: (path) => path === template,
      methods: [method],
      handle: (exchange) =>
        Effect.suspend((): Effect.Effect<Reply, Refusal.Refusal> => {
          const { address, limiterKey } = exchange.client
          const { authorization } = exchange.request.headers
          if (!limiter.allow(limiterKey))
            return Effect.fail(
              Refusal.rateLimited("rate limit exceeded", limiter.retryAfter(limiterKey))
            )
          if (mayEnter(authorization)) return handle(exchange)
          if (authorization !== undefined) security.refused("sync", address, template)
          return Effect.fail(forbidden)
        }).pipe(
          Effect.tap(({ status }) => SyncMetrics.request(name, status)),
          Effect.tapError(({ status }) => SyncMetrics.request(name, status))
        )
    }
  }

  const digest = (exchange: Exchange) =>
    Effect.gen(function* () {
      const query = yield* Either.mapLeft(
        DigestQuery.parse(new URLSearchParams(exchange.query)),
        bad
      )
      if (query.legacySince)
        yield* Effect.logWarning(`${exchange.client.address} asks for digests by time alone`)
      return json(200, yield* Effect.mapError(server.digest(query), unavailable))
    })

  const pull = (exchange: Exchange) =>
    Effect.gen(function* () {
      const body = yield* jsonObject(yield* exchange.body(SyncApi.maxPullBytes * 2))
      const { names } = body
      if (!Array.isArray(names)) return yield* bad("names must be a list")
      if (!names.every((name): name is string => typeof name === "string"))
        return yield* bad("names must be strings")
      if (names.length > SyncApi.maxPullNames)
        return yield* bad(`at most ${SyncApi.maxPullNames} names per request`)
      return json(200, yield* Effect.mapError(server.pull(names), unavailable))
    })

  const manifest = Effect.map(
    server.manifest,
    Option.match({
      onNone: () => empty(204),
      onSome: (body): Reply => ({ status: 200, contentType: "application/json", body })
    })
  )

  const deletions = (exchange: Exchange) => {
    const query = new URLSearchParams(exchange.query)
    const after = count(query.get("after"), 0, Number.MAX_SAFE_INTEGER)
    const limit = count(query.get("limit"), 1000, SyncApi.maxDigestLimit)
    return after === undefined || limit === undefined || limit === 0
      ? Effect.fail(bad("after and limit must be whole numbers"))
      : Effect.map(server.deletions(after, limit), (page) => json(200, page))
  }

  const hint = (exchange: Exchange) =>
    Effect.gen(function* () {
      const body = yield* jsonObject(yield* exchange.body(4096))
      const from = yield* Effect.mapError(decodeHint(body), () => Refusal.invalidBody())
      yield* server.hint(from)
      return empty(204)
    })

  const either = (authorization: string | undefined) =>
    // Both are asked, so that the time taken does not tell one token from the other.
    [isPeer(authorization), isOperator(authorization)].includes(true)

  return [
    route("digest", "GET", isPeer, digest),
    route("pull", "POST", isPeer, pull),
    route("cluster-manifest", "GET", isPeer, () => manifest),
    route("deletions", "GET", isPeer, deletions),
    route("fingerprint", "GET", isPeer, () =>
      Effect.mapBoth(server.fingerprint, {
        onSuccess: (body) => json(200, body),
        onFailure: unavailable
      })
    ),
    route("hint", "POST", isPeer, hint),
    route("status", "GET", either, () => Effect.map(server.status, (body) => json(200, body)))
  ]
})

const decodeHint = Schema.decodeUnknown(SyncApi.Hint)

/** What of them stands on the public door: nothing, once they have one of their own. */
export const publicRoutes = Effect.flatMap(PeersConfig, ({ syncPort }) =>
  Option.isSome(syncPort) ? Effect.succeed<ReadonlyArray<Route>>([]) : routes
)
