import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Either, Layer, Option, Redacted, TestClock } from "effect"
import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { ClaimAuth } from "../../src/auth/ClaimAuth.ts"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import * as Update from "../../src/auth/UpdateConfig.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import { ClientLimit } from "../../src/http/ClientLimit.ts"
import { RateLimitFields } from "../../src/http/RateLimitFields.ts"
import * as LegacyHttp from "../../src/http/LegacyHttp.ts"
import { Gossip } from "../../src/peers/Gossip.ts"
import * as Config from "../../src/peers/HeartbeatConfig.ts"
import { OwnIdentity } from "../../src/peers/OwnIdentity.ts"
import { SeenStore } from "../../src/peers/SeenStore.ts"
import * as Name from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { Limits } from "../../src/zone/Limits.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import { zoneConfig } from "../peers/ClusterNode.ts"

const now = 1_800_000_000
const seedOf = (octet: number) => new Uint8Array(32).fill(octet)
const own = {
  endpoint: "https://node.example.org",
  operatorSpk: Ed25519.publicKey(seedOf(1)),
  seed: Redacted.make(seedOf(1))
}

const beat = (octet: number, ts = now) =>
  Either.getOrThrow(
    Heartbeat.sign(
      {
        endpoint: `https://node-${octet}.example.net`,
        operatorSpk: Ed25519.publicKey(seedOf(octet)),
        version: "0.4.4",
        capabilities: 0,
        zone: "",
        ts,
        exp: ts + 3600
      },
      seedOf(octet)
    )
  )

const claim = (changes: Partial<Claim.Claim> = {}) =>
  Either.getOrThrow(
    Claim.sign(
      {
        msgId: seedOf(2).slice(0, 16),
        senderSpk: Ed25519.publicKey(seedOf(3)),
        senderDomain: "sender.example.net",
        slot: 4,
        ts: now,
        exp: now + 600,
        ...changes
      },
      seedOf(3)
    )
  )

const services = (env: Readonly<Record<string, string>>, heartbeats: boolean) =>
  Layer.mergeAll(ClaimAuth.layer, Gossip.layer, Publisher.layer).pipe(
    Layer.provideMerge(AnswerIndex.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        ChangeFeed.layer,
        Limits.layer(),
        ContentPolicy.layerAcceptAll,
        RecordStore.layerMemory,
        SeenStore.layerMemory,
        TsigKeys.layerEmpty,
        Layer.succeed(ClientLimit, { charge: () => undefined, most: () => Infinity }),
        Layer.succeed(ZoneConfig, zoneConfig()),
        Layer.succeed(
          OwnIdentity,
          heartbeats ? OwnIdentity.make(own, Option.some(own)) : OwnIdentity.make(undefined)
        ),
        Update.UpdateConfig.layer,
        Config.HeartbeatConfig.layer
      )
    ),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))))
  )

const on = { DMP_LEGACY_HTTP: "1", DMP_DNS_UPDATE_ENABLED: "1" }

/** Asks one of the routes; yields status and body. */
const asking = Effect.gen(function* () {
  const routes = yield* LegacyHttp.routes
  return (method: "GET" | "POST", path: string, body: unknown = undefined) => {
    const route = routes.find((each) => each.matches(path) && each.methods.includes(method))
    if (route === undefined) return Effect.dieMessage(`no route ${path}`)
    return route
      .handle({
        request: new IncomingMessage(new Socket()),
        method,
        path,
        query: "",
        client: { address: "192.0.2.9", limiterKey: "192.0.2.9" },
        limits: new RateLimitFields(),
        id: "test",
        body: () => Effect.succeed(Buffer.from(body === undefined ? "" : JSON.stringify(body)))
      })
      .pipe(
        Effect.match({
          onSuccess: (reply) => ({
            status: reply.status,
            body: JSON.parse(String(reply.body)) as Record<string, unknown>
          }),
          onFailure: (refusal) => ({
            status: refusal.status,
            body: { error: refusal.error } as Record<string, unknown>
          })
        })
      )
  }
})

const scenario = <A, E>(
  body: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof services>>>,
  env: Readonly<Record<string, string>> = on,
  heartbeats = true
) =>
  TestClock.setTime(now * 1000).pipe(
    Effect.zipRight(Effect.provide(body, services(env, heartbeats)))
  )

describe("the routes of releases 0.2 to 0.4", () => {
  it.effect("are not there unless they are asked for", () =>
    scenario(
      Effect.gen(function* () {
        assert.isEmpty(yield* LegacyHttp.routes)
      }),
      {}
    )
  )

  it.effect("take heartbeats and tell whom this node knows", () =>
    scenario(
      Effect.gen(function* () {
        const ask = yield* asking
        const first = yield* ask("POST", "/v1/heartbeat", { wire: beat(5) })
        assert.deepStrictEqual(first, {
          status: 200,
          body: {
            ok: true,
            accepted_operator_spk_hex: Buffer.from(Ed25519.publicKey(seedOf(5))).toString("hex"),
            seen: []
          }
        })
        const second = yield* ask("POST", "/v1/heartbeat", { wire: beat(6) })
        assert.deepStrictEqual(second.body?.["seen"], [beat(5)])
        const list = yield* ask("GET", "/v1/nodes/seen")
        assert.strictEqual(list.status, 200)
        assert.deepInclude(list.body, {
          version: 1,
          self: {
            endpoint: own.endpoint,
            operator_spk_hex: Buffer.from(own.operatorSpk).toString("hex"),
            enabled: true
          }
        })
        assert.lengthOf(list.body?.["seen"] as ReadonlyArray<unknown>, 2)
      })
    )
  )

  it.effect("refuse unsound heartbeats with the words of old nodes", () =>
    scenario(
      Effect.gen(function* () {
        const ask = yield* asking
        const error = (body: unknown) =>
          Effect.map(ask("POST", "/v1/heartbeat", body), (reply) => [
            reply.status,
            reply.body?.["error"]
          ])
        assert.deepStrictEqual(yield* error({}), [400, "wire (string) required"])
        assert.deepStrictEqual(yield* error([]), [400, "invalid body"])
        const failed = [400, "heartbeat verification failed"]
        assert.deepStrictEqual(yield* error({ wire: "x" }), failed)
        assert.deepStrictEqual(yield* error({ wire: beat(5, now - 301) }), failed)
        assert.deepStrictEqual(yield* error({ wire: beat(5, now + 301) }), failed)
      })
    )
  )

  it.effect("answer 404 about discovery while heartbeats are off, and info with empty texts", () =>
    scenario(
      Effect.gen(function* () {
        const ask = yield* asking
        assert.strictEqual((yield* ask("POST", "/v1/heartbeat", { wire: beat(5) })).status, 404)
        assert.strictEqual((yield* ask("GET", "/v1/nodes/seen")).status, 404)
        assert.deepStrictEqual((yield* ask("GET", "/v1/info")).body, {
          endpoint: "",
          operator_spk: "",
          claim_provider_zone: "",
          capabilities: 0
        })
      }),
      { DMP_LEGACY_HTTP: "1" },
      false
    )
  )

  it.effect("take sound claims at the slot they were signed for, and no others", () =>
    scenario(
      Effect.gen(function* () {
        const ask = yield* asking
        const recipient_id_hex12 = "0123456789ab"
        const publish = (body: unknown) => ask("POST", "/v1/claim/publish", body)
        const taken = yield* publish({ value: claim(), recipient_id_hex12, ttl: 9_999_999 })
        const owner = `claim-4.mb-${recipient_id_hex12}.example.org`
        assert.deepStrictEqual(taken, { status: 201, body: { ok: true, name: owner } })
        const zone = yield* AnswerIndex
        assert.deepStrictEqual(
          zone.live(Name.unsafeMake(owner), now).map(({ expiresAt }) => expiresAt - now),
          [600]
        )
        for (const [body, error] of [
          [{}, "value (str), recipient_id_hex12 (str), ttl (int > 0) required"],
          [
            { value: claim(), recipient_id_hex12: "XYZ" },
            "recipient_id_hex12 must be 12 lowercase hex chars"
          ],
          [{ value: "x", recipient_id_hex12 }, "value is not a claim wire"],
          [
            { value: claim({ ts: now - 600, exp: now }), recipient_id_hex12 },
            "claim verification failed"
          ],
          [
            { value: claim().replace(/.{4}$/, "AAAA"), recipient_id_hex12 },
            "claim verification failed"
          ],
          [{ value: "v=dmp1;t=claim;", recipient_id_hex12 }, "claim verification failed"]
        ] as const) {
          const { body: reply, status } = yield* publish(body)
          assert.deepStrictEqual([status, reply?.["error"]], [400, error])
        }
      })
    )
  )
})
