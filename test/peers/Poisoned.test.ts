/** Peers that lie, stall and flood: none may stop sync with good ones, store a byte or learn a token. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option, Redacted } from "effect"
import type { IncomingMessage, RequestListener } from "node:http"
import { PeerStates } from "../../src/peers/PeerState.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"
import { behaviours, entry, reply, serve } from "./HostilePeer.ts"

const bodyOf = (request: IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    request.on("data", (chunk: Buffer) => (text += chunk.toString()))
    request.on("end", () => resolve(text))
  })

/** A released node's answers over `rows`, in its own way: no extensions, 16 KiB of body. */
const released = (
  rows: ReadonlyArray<{ readonly name: string; readonly value: string }>,
  requests: Array<string>
): RequestListener => {
  const digest = rows.map(({ name, value }, at) => entry(name, value, 1000 + at))
  return (request, response) => {
    requests.push(request.url ?? "")
    const url = new URL(request.url ?? "/", "http://peer")
    if (url.pathname === "/v1/sync/digest") {
      const after = Number(url.searchParams.get("cursor")?.split(":")[0])
      const limit = Number(url.searchParams.get("limit"))
      const page = digest.filter(({ ts }) => ts > after)
      return reply({
        records: page.slice(0, limit),
        has_more: page.length > limit,
        next_cursor: ""
      })(request, response)
    }
    if (url.pathname !== "/v1/sync/pull") {
      response.statusCode = 404
      return reply({ error: "not found" })(request, response)
    }
    void bodyOf(request).then((text) => {
      if (text.length > 16_384) {
        response.statusCode = 400
        return reply({ error: "invalid body" })(request, response)
      }
      const names = new Set<string>(JSON.parse(text).names)
      return reply({
        records: rows.filter(({ name }) => names.has(name)).map((row) => ({ ...row, ttl: 600 }))
      })(request, response)
    })
  }
}

const nodeWith = (ports: ReadonlyArray<number>) =>
  Effect.flatMap(Cluster.newDisk, (disk) =>
    Cluster.start({
      disk,
      peers: Cluster.peersConfig({
        syncInterval: 0.2,
        syncPeers: ports.map((port) => Cluster.url(`http://127.0.0.1:${port}`))
      })
    })
  )

const stateOf = (node: Cluster.RunningNode, port: number) => {
  const all = Context.get(node.context, PeerStates).all()
  return all.find(({ peer }) => peer.url.port === port)
}

describe("a poisoned peer", () => {
  it.scopedLive("with refused rows at the head holds up nothing behind them", () =>
    Effect.gen(function* () {
      const bad = Array.from({ length: 20 }, (_, at) => ({
        name: `_dnsmesh-x${at}.example.org`,
        value: `v=dmp1;t=heartbeat;${at}`
      }))
      const good = Array.from({ length: 2000 }, (_, at) => ({
        name: `${"a-very-long-label-indeed.".repeat(3)}n${at >> 1}.example.org`,
        value: `value ${at}`
      }))
      const requests: Array<string> = []
      const { port } = yield* serve(released([...bad, ...good], requests))
      const node = yield* nodeWith([port])
      yield* Cluster.eventually(
        Effect.map(node.holdings, (rows) => rows.length === good.length),
        15_000
      )
      const state = stateOf(node, port)
      assert.strictEqual(state?.quarantine.size, bad.length)
      assert.isEmpty(requests.filter((url) => /deletions|hint|fingerprint/.test(url)))
    })
  )

  it.scopedLive("neither stores a byte nor stops good peers, whatever it does", () =>
    Effect.gen(function* () {
      const tokens: Array<string | undefined> = []
      const thief = yield* serve((request, response) => {
        tokens.push(request.headers.authorization)
        reply({ records: [] })(request, response)
      })
      const servers = yield* Effect.forEach(behaviours(thief.port), serve)
      const good = yield* serve(released([{ name: "good.example.org", value: "good" }], []))
      const node = yield* nodeWith([...servers.map(({ port }) => port), good.port])
      yield* Cluster.eventually(
        Effect.map(node.values("good.example.org"), (values) => values.length === 1),
        5000
      )
      yield* Effect.sleep("1500 millis")
      assert.deepStrictEqual(yield* node.holdings, [`good.example.org ${valueHash("good")}`])
      assert.isEmpty(tokens)
      assert.strictEqual(stateOf(node, good.port)?.failures, 0)
    })
  )

  it.scopedLive("cannot get in with the operator's token, or with none", () =>
    Effect.gen(function* () {
      const node = yield* nodeWith([])
      const status = (path: string, authorization?: string) =>
        Effect.promise(() =>
          fetch(`http://127.0.0.1:${node.port}${path}`, {
            headers: authorization === undefined ? {} : { authorization }
          }).then((response) => response.status)
        )
      const digest = "/v1/sync/digest"
      assert.strictEqual(yield* status(digest), 403)
      assert.strictEqual(yield* status(digest, "Bearer the operator's token"), 403)
      assert.strictEqual(yield* status(digest, `bearer ${Cluster.token}`), 403)
      assert.strictEqual(yield* status(digest, `Bearer ${Cluster.token}x`), 403)
      assert.strictEqual(yield* status(digest, `Bearer ${Cluster.token}`), 200)
      assert.strictEqual(yield* status("/v1/sync/status", "Bearer the operator's token"), 200)
      assert.strictEqual(yield* status("/v1/sync/status"), 403)
      assert.strictEqual(yield* status("/v1/sync/other", `Bearer ${Cluster.token}`), 404)
    })
  )
})

describe("tokens", () => {
  it.scopedLive("several are accepted while one is being replaced", () =>
    Effect.gen(function* () {
      const disk = yield* Cluster.newDisk
      const node = yield* Cluster.start({
        disk,
        peers: Cluster.peersConfig({
          acceptedSyncTokens: Option.some(Redacted.make("the next one, an older one"))
        })
      })
      for (const token of [Cluster.token, "the next one", "an older one"]) {
        const response = yield* Effect.promise(() =>
          fetch(`http://127.0.0.1:${node.port}/v1/sync/digest`, {
            headers: { authorization: `Bearer ${token}` }
          })
        )
        assert.strictEqual(response.status, 200)
      }
    })
  )
})
