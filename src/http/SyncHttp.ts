/**
 * `/v1/sync/*`: the door of the cluster's other nodes. Order of checks: bucket, signature or
 * token, parameters. A wrong one is 403 whatever was asked, and the operator's token opens
 * nothing but the status.
 */
import { Effect, Either, Option, Schema } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import * as DigestQuery from "../peers/DigestQuery.ts"
import { PeersConfig } from "../peers/PeersConfig.ts"
import * as SyncApi from "../peers/SyncApi.ts"
import * as SyncMetrics from "../peers/SyncMetrics.ts"
import { SyncServer } from "../peers/SyncServer.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { compressed } from "./Compression.ts"
import * as Refusal from "./Refusal.ts"
import { empty, json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Method, Route } from "./Route.ts"
import * as SyncAccess from "./SyncAccess.ts"

const bad = (error: string) => Refusal.badRequest("invalid-request", error)
const unavailable = (error: StoreError) => Refusal.storeUnavailable(error)

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
  const access = yield* SyncAccess.make
  const operator = SyncAccess.holder(
    Option.toArray(operatorToken).map((token) => ({ peer: "operator", by: "token", token }))
  )

  const route = (
    name: string,
    method: Method,
    enter: (exchange: Exchange) => Effect.Effect<Exchange, Refusal.Refusal>,
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
          const allowed = limiter.allow(limiterKey)
          exchange.limits.tell("sync", limiter.standing(limiterKey))
          if (!allowed)
            return Effect.fail(
              Refusal.rateLimited("rate limit exceeded", limiter.retryAfter(limiterKey))
            )
          const entered = Effect.tapError(enter(exchange), () =>
            Effect.sync(() => {
              // Of signatures nobody can guess one, and a clock or a manifest may be to blame.
              if (authorization !== undefined) security.refused("sync", address, template)
            })
          )
          return Effect.flatMap(entered, handle)
        }).pipe(
          Effect.flatMap((reply) => compressed(reply, exchange.request.headers["accept-encoding"])),
          // A refusal, too, says how to be let in.
          Effect.catchTag("Refusal", (refusal) =>
            refusal.status === 403
              ? Effect.succeed(Refusal.reply(refusal, exchange.id))
              : Effect.fail(refusal)
          ),
          Effect.flatMap((reply) =>
            Effect.map(access.announced, (headers) => ({
              ...reply,
              headers: { ...reply.headers, ...headers }
            }))
          ),
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

  const fingerprint = (exchange: Exchange) => {
    const text = new URLSearchParams(exchange.query).get("zones")
    const zones = text === null ? Option.none() : SyncApi.parseZones(text)
    return text !== null && Option.isNone(zones)
      ? Effect.fail(bad(`zones must be at most ${SyncApi.maxZones} names`))
      : Effect.mapBoth(server.fingerprint(Option.getOrUndefined(zones)), {
          onSuccess: (body) => json(200, body),
          onFailure: unavailable
        })
  }

  const hint = (exchange: Exchange) =>
    Effect.gen(function* () {
      const body = yield* jsonObject(yield* exchange.body(4096))
      const from = yield* Effect.mapError(decodeHint(body), () => Refusal.invalidBody())
      yield* server.hint(from)
      return empty(204)
    })

  /** The status is the operator's as well. */
  const either = (exchange: Exchange) =>
    operator(exchange.request.headers.authorization) === undefined
      ? access.enter(exchange)
      : Effect.succeed(exchange)

  return [
    route("digest", "GET", access.enter, digest),
    route("pull", "POST", access.enter, pull),
    route("cluster-manifest", "GET", access.enter, () => manifest),
    route("deletions", "GET", access.enter, deletions),
    route("fingerprint", "GET", access.enter, fingerprint),
    route("hint", "POST", access.enter, hint),
    route("status", "GET", either, () =>
      Effect.map(server.status, (body) => json(200, { ...body, callers: access.callers() }))
    )
  ]
})

const decodeHint = Schema.decodeUnknown(SyncApi.Hint)

/** What of them stands on the public door: nothing, once they have one of their own. */
export const publicRoutes = Effect.flatMap(PeersConfig, ({ syncPort }) =>
  Option.isSome(syncPort) ? Effect.succeed<ReadonlyArray<Route>>([]) : routes
)
