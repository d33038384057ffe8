/** Peers that lie, stall and flood: none may stop sync with good ones, store a byte or learn a token. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option, Redacted } from "effect"
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { PeerStates } from "../../src/peers/PeerState.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"

const serve = (onRequest: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Server; readonly port: number }>((resume) => {
      const server = createServer(onRequest)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, port }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

const reply =
  (body: unknown): RequestListener =>
  (_, response) => {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(body))
  }

const entry = (name: string, value: string, ts: number, ttl = 600) => ({
  name,
  hash: valueHash(value),
  ts,
  ttl
})

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
      const pages = (records: (at: number) => unknown): RequestListener => {
        let at = 0
        return (request, response) =>
          reply({ records: [records(at++)], has_more: true, next_cursor: "" })(request, response)
      }
      const digestThen =
        (records: ReadonlyArray<unknown>, pulled: ReadonlyArray<unknown>): RequestListener =>
        (request, response) =>
          reply(
            request.url?.startsWith("/v1/sync/digest")
              ? { records, has_more: false, next_cursor: "" }
              : { records: pulled }
          )(request, response)
      const behaviours: ReadonlyArray<RequestListener> = [
        // The value is not what the digest said.
        digestThen(
          [entry("wrong.example.org", "promised", 1)],
          [{ name: "wrong.example.org", value: "delivered", ttl: 60 }]
        ),
        // A name nobody asked for, and one outside the zone.
        digestThen(
          [entry("asked.example.org", "asked", 1), entry("elsewhere.test", "asked", 2)],
          [
            { name: "unasked.example.org", value: "asked", ttl: 60 },
            { name: "elsewhere.test", value: "asked", ttl: 60 }
          ]
        ),
        // The same page for ever, and pages without end.
        pages(() => entry("same.example.org", "same", 1)),
        pages((at) => entry(`endless-${at}.example.org`, "never delivered", at)),
        // One octet at a time.
        (_, response) => {
          response.writeHead(200, { "content-type": "application/json" })
          const timer = setInterval(() => response.write(" "), 50)
          response.on("close", () => clearInterval(timer))
        },
        // Somewhere else, please.
        (_, response) => {
          response.writeHead(302, { location: `http://localhost:${thief.port}/v1/sync/digest` })
          response.end()
        },
        // A body announced, or sent, without end.
        (_, response) => {
          response.writeHead(200, { "content-length": String(2 ** 30) })
          response.write("[")
        },
        (_, response) => {
          response.writeHead(200)
          const block = Buffer.alloc(1 << 20, 32)
          const pour = () => {
            while (!response.destroyed && response.write(block));
            if (!response.destroyed) response.once("drain", pour)
          }
          pour()
        },
        // No JSON, no object, odd types.
        (_, response) => void response.end("<html>"),
        reply([]),
        reply({ records: [null, 1, {}, entry("future.example.org", "x", 9e15)], has_more: true })
      ]
      const servers = yield* Effect.forEach(behaviours, serve)
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
