import { assert, describe, it } from "@effect/vitest"
import { type Config, ConfigProvider, Effect, Either, Option, Redacted } from "effect"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as NodeCertificate from "../../src/dmp/NodeCertificate.ts"
import * as HeartbeatConfig from "../../src/peers/HeartbeatConfig.ts"
import * as NodeIdentity from "../../src/peers/NodeIdentity.ts"
import * as PeersConfig from "../../src/peers/PeersConfig.ts"

const read = <A>(config: Config.Config<A>, env: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map(Object.entries(env))))
const peers = (env: Readonly<Record<string, string>>) => read(PeersConfig.config, env)
const heartbeat = (env: Readonly<Record<string, string>>) => read(HeartbeatConfig.config, env)

const spk = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"

describe("PeersConfig", () => {
  it.effect("reads a cluster", () =>
    Effect.gen(function* () {
      const config = yield* peers({
        DMP_SYNC_PEERS: "http://node-b:8053/, https://[2001:db8::1]:8053",
        DMP_SYNC_PEER_TOKEN: "secret",
        DMP_SYNC_OPERATOR_SPK: spk.toUpperCase(),
        DMP_SYNC_INTERVAL_SECONDS: "2.5",
        DMP_CLUSTER_MANIFEST_PATH: "/x.json"
      })
      assert.deepStrictEqual(
        config.syncPeers.map(({ href }) => href),
        ["http://node-b:8053", "https://[2001:db8::1]:8053"]
      )
      assert.strictEqual(Redacted.value(Option.getOrThrow(config.syncToken)), "secret")
      assert.strictEqual(Buffer.from(Option.getOrThrow(config.operatorSpk)).toString("hex"), spk)
      assert.strictEqual(config.syncInterval, 2.5)
      assert.strictEqual(config.clusterFile, "/x.json")
    })
  )

  it.effect("stops the boot at a pinned key that is none", () =>
    Effect.gen(function* () {
      for (const key of ["x", spk.slice(2), `${spk}00`, "00".repeat(32), `01${"00".repeat(31)}`])
        assert.strictEqual(
          (yield* Effect.either(peers({ DMP_SYNC_OPERATOR_SPK: key })))._tag,
          "Left",
          key
        )
    })
  )

  it.effect("takes an identity that the pinned key certified for this node, and no other", () =>
    Effect.gen(function* () {
      const operator = new Uint8Array(32).fill(1)
      const seed = new Uint8Array(32).fill(2)
      const pinned = Buffer.from(Ed25519.publicKey(operator)).toString("hex")
      const certificate = Either.getOrThrow(
        NodeCertificate.sign(
          { clusterName: "example.org", nodeId: "node-a", nodeSpk: Ed25519.publicKey(seed) },
          operator
        )
      )
      const identity = NodeIdentity.write(seed, certificate)
      const good = { DMP_SYNC_OPERATOR_SPK: pinned, DMP_SYNC_NODE_IDENTITY: identity }
      const config = yield* peers(good)
      assert.deepStrictEqual(config.nodeId, Option.some("node-a"))
      assert.isTrue(PeersConfig.isInCluster(config))
      for (const env of [
        { DMP_SYNC_NODE_IDENTITY: identity },
        { ...good, DMP_SYNC_OPERATOR_SPK: spk },
        { ...good, DMP_NODE_ID: "node-b" },
        { ...good, DMP_SYNC_NODE_IDENTITY: certificate },
        { ...good, DMP_SYNC_NODE_IDENTITY: NodeIdentity.write(operator, certificate) },
        { DMP_SYNC_AUTH: "signed" },
        { DMP_SYNC_AUTH: "none" }
      ]) {
        const result = yield* Effect.either(peers(env))
        assert.strictEqual(result._tag, "Left", JSON.stringify(env))
        assert.notInclude(String(result), Buffer.from(seed).toString("hex"))
      }
    })
  )

  it.effect("takes tokens of single peers, one to show each and several to know it by", () =>
    Effect.gen(function* () {
      const config = yield* peers({
        DMP_SYNC_PEER_TOKENS: "node-a=first-token",
        DMP_SYNC_ACCEPTED_PEER_TOKENS: "node-a=old-token,node-a=new-token"
      })
      assert.isTrue(PeersConfig.isInCluster(config))
      assert.deepStrictEqual(
        config.acceptedPeerTokens.map(({ token }) => Redacted.value(token)),
        ["old-token", "new-token"]
      )
      for (const env of [
        { DMP_SYNC_PEER_TOKENS: "node-a=old-token,node-a=new-token" },
        { DMP_SYNC_PEER_TOKENS: "hidden-token" },
        { DMP_SYNC_ACCEPTED_PEER_TOKENS: "hidden-token" }
      ]) {
        const result = yield* Effect.either(peers(env))
        assert.strictEqual(result._tag, "Left")
        assert.notInclude(String(result), "hidden-token")
      }
    })
  )

  it.effect("refuses intervals of nothing and peers that are no URL", () =>
    Effect.gen(function* () {
      for (const env of [
        { DMP_SYNC_INTERVAL: "0" },
        { DMP_SYNC_PEERS: "node-b:8053" },
        { DMP_SYNC_PORT: "70000" }
      ])
        assert.strictEqual((yield* Effect.either(peers(env)))._tag, "Left", JSON.stringify(env))
    })
  )
})

describe("HeartbeatConfig", () => {
  it.effect("fetches no list and shows nothing unless it is told to", () =>
    Effect.gen(function* () {
      const config = yield* heartbeat({})
      assert.isFalse(config.enabled)
      assert.deepStrictEqual(config.seedUrls, [])
      assert.isAtMost(config.interval, 120)
      assert.isAtMost((yield* heartbeat({ DMP_HEARTBEAT_INTERVAL_SECONDS: "300" })).interval, 120)
    })
  )

  it.effect("reads resolvers of both families and seeds in old spellings", () =>
    Effect.gen(function* () {
      const config = yield* heartbeat({
        DMP_HEARTBEAT_DNS_RESOLVERS: "192.0.2.1, 192.0.2.2:5353, 2001:db8::1, [2001:db8::2]:53",
        DMP_HEARTBEAT_SEEDS: "B.example.org., https://c.example.org:8053/x, d.example.org:53",
        DMP_HEARTBEAT_ENABLED: "True"
      })
      assert.deepStrictEqual(config.resolvers, [
        { host: "192.0.2.1", port: 53 },
        { host: "192.0.2.2", port: 5353 },
        { host: "2001:db8::1", port: 53 },
        { host: "2001:db8::2", port: 53 }
      ])
      assert.deepStrictEqual(config.seeds.map(String), [
        "b.example.org",
        "c.example.org",
        "d.example.org"
      ])
      assert.isTrue(config.enabled)
    })
  )

  it.effect("refuses a bad resolver instead of asking another one", () =>
    Effect.gen(function* () {
      for (const env of [
        { DMP_HEARTBEAT_DNS_RESOLVERS: "192.0.2.1,dns.example.org" },
        { DMP_HEARTBEAT_DNS_RESOLVERS: "[2001:db8::1]:0" },
        { DMP_HEARTBEAT_SELF_ENDPOINT: "https://127.0.0.1" },
        { DMP_HEARTBEAT_SELF_ENDPOINT: "https://a.example.org/" },
        { DMP_HEARTBEAT_PUBLIC_SEED_URLS: "http://a.example.org/seeds.txt" },
        { DMP_HEARTBEAT_TTL_SECONDS: "2592001" }
      ])
        assert.strictEqual((yield* Effect.either(heartbeat(env)))._tag, "Left", JSON.stringify(env))
    })
  )
})
