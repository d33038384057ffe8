/**
 * The routes of releases 0.2 to 0.4, for clients and nodes that know no others. Served only
 * with `DMP_LEGACY_HTTP`; what they take in passes the same checks as everything else.
 */
import { Effect, Option, Schema } from "effect"
import { ClaimAuth } from "../auth/ClaimAuth.ts"
import { claimGrant } from "../auth/ClaimGrant.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import { Gossip } from "../peers/Gossip.ts"
import { HeartbeatConfig } from "../peers/HeartbeatConfig.ts"
import type { SeenRow } from "../peers/SeenStore.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import * as Name from "../wire/Name.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { ClientLimit } from "./ClientLimit.ts"
import * as Refusal from "./Refusal.ts"
import { json, type Reply } from "./Reply.ts"
import { jsonObject } from "./RequestBody.ts"
import type { Exchange, Method, Route } from "./Route.ts"

const maxBody = 16_384
const replySeen = 10
const listSeen = 500

const bad = (error: string) => Refusal.badRequest("invalid-request", error)
const decodeHeartbeat = Schema.decodeUnknownOption(Schema.Struct({ wire: Schema.String }))
const decodeClaim = Schema.decodeUnknownOption(
  Schema.Struct({
    value: Schema.String,
    recipient_id_hex12: Schema.String,
    ttl: Schema.optionalWith(Schema.Int.pipe(Schema.positive()), { default: () => 300 })
  })
)
const decodeSlot = (wire: string): string => {
  // The slot is one octet after magic, message id, key and a domain that tells its length; what
  // is no claim has none, and the claim's own checks refuse it.
  const octets = Buffer.from(wire.slice("v=dmp1;t=claim;".length), "base64")
  const at = 55 + 1 + (octets[55] ?? 0)
  return String(octets[at] ?? "")
}

/** None unless `DMP_LEGACY_HTTP` is on. */
export const routes = Effect.gen(function* () {
  const { legacyHttp } = yield* HeartbeatConfig
  if (!legacyHttp) return []
  const bucket = yield* ClientLimit
  const claims = yield* ClaimAuth
  const gossip = yield* Gossip
  const limits = yield* Limits
  const publisher = yield* Publisher
  const { claimProvider, updateEnabled } = yield* UpdateConfig
  const { servedZone } = yield* ZoneConfig
  const submits = yield* RateLimiter.make({ rate: 1, burst: 30 })
  const looks = yield* RateLimiter.make({ rate: 5, burst: 60 })
  const claimZone = claimProvider && updateEnabled ? servedZone : Option.none()

  const limited = (limiter: RateLimiter.RateLimiter, exchange: Exchange, error: string) =>
    Effect.suspend(() => {
      const { limiterKey } = exchange.client
      const allowed = limiter.allow(limiterKey)
      exchange.limits.tell("legacy", limiter.standing(limiterKey))
      return allowed
        ? Effect.void
        : Effect.fail(Refusal.rateLimited(error, limiter.retryAfter(limiterKey)))
    })
  const seen = (limit: number) => Effect.mapError(gossip.seen(limit), Refusal.storeUnavailable)
  const ownOrNone = Effect.mapError(gossip.own, () => Refusal.notFound)

  const heartbeat = (exchange: Exchange) =>
    Effect.gen(function* () {
      yield* ownOrNone
      yield* limited(submits, exchange, "heartbeat rate limit exceeded")
      const body = decodeHeartbeat(yield* jsonObject(yield* exchange.body(maxBody)))
      if (Option.isNone(body)) return yield* bad("wire (string) required")
      const signer = yield* Effect.mapError(
        gossip.submit(body.value.wire, exchange.client.address),
        Refusal.storeUnavailable
      )
      if (Option.isNone(signer)) return yield* bad("heartbeat verification failed")
      const others = (yield* seen(4 * replySeen)).filter(
        ({ operatorSpkHex }) => operatorSpkHex !== signer.value
      )
      return json(200, {
        ok: true,
        accepted_operator_spk_hex: signer.value,
        seen: others.slice(0, replySeen).map(({ wire }) => wire)
      })
    })

  // Old clients read these keys although old nodes sent the wire alone.
  const shown = ({ endpoint, operatorSpkHex, ts, version, wire }: SeenRow) => ({
    wire,
    endpoint,
    operator_spk_hex: operatorSpkHex,
    ts,
    version
  })
  const nodesSeen = (exchange: Exchange) =>
    Effect.gen(function* () {
      const own = yield* ownOrNone
      yield* limited(looks, exchange, "rate limit exceeded")
      return json(200, {
        version: 1,
        self: {
          endpoint: own.endpoint,
          operator_spk_hex: own.operatorSpkHex,
          enabled: true
        },
        seen: (yield* seen(listSeen)).map(shown)
      })
    })

  const info = json(200, {
    endpoint: Option.match(gossip.own, { onNone: () => "", onSome: ({ endpoint }) => endpoint }),
    operator_spk: Option.match(gossip.own, {
      onNone: () => "",
      onSome: ({ operatorSpkHex }) => operatorSpkHex
    }),
    claim_provider_zone: Option.getOrElse(claimZone, () => ""),
    capabilities: Option.isSome(claimZone) ? 1 : 0
  })

  const claim = (exchange: Exchange) =>
    Effect.gen(function* () {
      if (Option.isNone(claimZone))
        return yield* new Refusal.Refusal({
          status: 404,
          code: "not-found",
          error: "this node is not a claim provider"
        })
      const limit = bucket.charge(exchange)
      if (limit !== undefined) return yield* limit
      const body = decodeClaim(yield* jsonObject(yield* exchange.body(maxBody)))
      if (Option.isNone(body))
        return yield* bad("value (str), recipient_id_hex12 (str), ttl (int > 0) required")
      const { recipient_id_hex12: recipient, ttl, value } = body.value
      if (!/^[0-9a-f]{12}$/.test(recipient))
        return yield* bad("recipient_id_hex12 must be 12 lowercase hex chars")
      if (!value.startsWith("v=dmp1;t=claim;")) return yield* bad("value is not a claim wire")
      const owner = Name.parse(`claim-${decodeSlot(value)}.mb-${recipient}.${claimZone.value}`)
      if (Option.isNone(owner)) return yield* bad("claim verification failed")
      const record = { owner: owner.value, value, ttl: Math.min(ttl, limits.maxTtl) }
      const verdict = claims.judge({
        zone: claimZone.value,
        adds: [record],
        source: { _tag: "Address", address: exchange.client.address, transport: "tcp" }
      })
      if (verdict._tag === "Refused") return yield* bad("claim verification failed")
      if (verdict._tag !== "Accepted") return yield* Refusal.rateLimited("rate limit exceeded", 2)
      return yield* publisher
        .apply({
          grant: claimGrant(verdict.records, verdict.sender),
          changes: verdict.records.map((accepted) => ({ _tag: "Add", record: accepted }))
        })
        .pipe(
          Effect.as(json(201, { ok: true, name: owner.value })),
          Effect.mapError(
            ({ _tag }) => new Refusal.Refusal({ status: 502, code: "not-published", error: _tag })
          )
        )
    })

  const route = (
    path: string,
    method: Method,
    handle: (exchange: Exchange) => Effect.Effect<Reply, Refusal.Refusal>
  ): Route => ({ template: path, matches: (at) => at === path, methods: [method], handle })
  return [
    route("/v1/heartbeat", "POST", heartbeat),
    route("/v1/nodes/seen", "GET", nodesSeen),
    route("/v1/info", "GET", () => Effect.succeed(info)),
    route("/v1/claim/publish", "POST", claim)
  ]
})
