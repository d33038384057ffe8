/** Packed replies: who gets them, that they say the same, and that none unpacks beyond the cap. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import http from "node:http"
import { gunzipSync, gzipSync } from "node:zlib"
import { takesGzip } from "../../src/http/Compression.ts"
import { PeerClient } from "../../src/peers/PeerClient.ts"
import * as Cluster from "./ClusterNode.ts"
import { packed, serve } from "./HostilePeer.ts"

const cap = 100_000

/** What a client that takes packed replies makes of one. */
const reading = (octets: Buffer, changes: { readonly gzip?: boolean; readonly coding?: string }) =>
  Effect.gen(function* () {
    const { port } = yield* serve(packed(octets, changes.coding))
    const client = yield* PeerClient
    return yield* client
      .request({
        url: Cluster.url(`http://127.0.0.1:${port}`),
        chosenBy: "operator",
        method: "GET",
        path: "/",
        maxBytes: cap,
        deadline: 5000,
        gzip: changes.gzip ?? true
      })
      .pipe(Effect.either)
  }).pipe(Effect.provide(PeerClient.layer))

describe("a client that takes packed replies", () => {
  it.scopedLive("reads them up to the cap, and no octet beyond", () =>
    Effect.gen(function* () {
      const whole = Buffer.alloc(cap, "x")
      const read = yield* reading(gzipSync(whole), {})
      assert.isTrue(read._tag === "Right" && read.right.body.equals(whole))
      for (const size of [cap + 1, 64 * 1024 * 1024]) {
        const result = yield* reading(gzipSync(Buffer.alloc(size, 32)), {})
        assert.strictEqual(result._tag === "Left" && result.left._tag, "ReplyTooLarge")
      }
      const many = Buffer.concat(Array.from({ length: 90 }, () => gzipSync(Buffer.alloc(2000))))
      const members = yield* reading(many, {})
      assert.strictEqual(members._tag === "Left" && members.left._tag, "ReplyTooLarge")
    })
  )

  it.scopedLive("takes nothing that is broken, and nothing it did not ask for", () =>
    Effect.gen(function* () {
      const good = gzipSync("good")
      for (const [octets, changes] of [
        [good.subarray(0, -3), {}],
        [Buffer.from("good"), {}],
        [Buffer.alloc(0), {}],
        [good, { gzip: false }],
        [good, { coding: "br" }],
        [good, { coding: "gzip, gzip" }],
        [good, { coding: "deflate" }]
      ] as const) {
        const result = yield* reading(octets, changes)
        assert.strictEqual(result._tag === "Left" && result.left._tag, "PeerUnreachable")
      }
    })
  )
})

describe("the sync routes", () => {
  it("pack for whoever asks", () => {
    for (const asks of ["gzip", "br, GZIP;q=0.5", "x-gzip", "identity;q=0, gzip ; q=1.0"])
      assert.isTrue(takesGzip(asks), asks)
    for (const asks of [undefined, "", "identity", "gzip;q=0", "gzip; q=0.000", "gzipped", "*"])
      assert.isFalse(takesGzip(asks), String(asks))
  })

  it.scopedLive("say the same packed and plain, and do not pack what is short", () =>
    Effect.gen(function* () {
      const disk = yield* Cluster.newDisk
      const node = yield* Cluster.start({ disk, peers: Cluster.peersConfig() })
      const get = (acceptEncoding?: string) =>
        Effect.async<{ readonly coding: string | undefined; readonly body: Buffer }>((resume) => {
          http
            .get(
              {
                host: "127.0.0.1",
                port: node.port,
                path: "/v1/sync/digest?limit=500",
                headers: {
                  authorization: `Bearer ${Cluster.token}`,
                  ...(acceptEncoding === undefined ? {} : { "accept-encoding": acceptEncoding })
                }
              },
              (response) => {
                const chunks: Array<Buffer> = []
                response.on("data", (chunk: Buffer) => chunks.push(chunk))
                response.on("end", () =>
                  resume(
                    Effect.succeed({
                      coding: response.headers["content-encoding"],
                      body: Buffer.concat(chunks)
                    })
                  )
                )
              }
            )
            .on("error", (error) => resume(Effect.die(error)))
        })
      assert.isUndefined((yield* get("gzip")).coding)
      for (let at = 0; at < 50; at++) yield* node.publish(`n${at}.example.org`, `value ${at}`)
      const plain = yield* get()
      const short = yield* get("gzip")
      assert.isUndefined(plain.coding)
      assert.strictEqual(short.coding, "gzip")
      assert.isBelow(short.body.length, plain.body.length)
      const names = (body: Buffer) =>
        (JSON.parse(body.toString()) as { records: ReadonlyArray<{ name: string }> }).records.map(
          ({ name }) => name
        )
      assert.lengthOf(names(plain.body), 50)
      assert.deepStrictEqual(names(gunzipSync(short.body)), names(plain.body))
    })
  )

  it.scopedLive("replicate packed and unpacked alike", () =>
    Effect.gen(function* () {
      const full = yield* Cluster.start({
        disk: yield* Cluster.newDisk,
        peers: Cluster.peersConfig()
      })
      for (let at = 0; at < 120; at++) yield* full.publish(`n${at}.example.org`, "v".repeat(300))
      for (const syncCompress of ["on", "off"] as const) {
        const node = yield* Cluster.start({
          disk: yield* Cluster.newDisk,
          peers: Cluster.peersConfig({
            syncCompress,
            nodeId: Option.some(`packed-${syncCompress}`),
            syncPeers: [Cluster.url(`http://127.0.0.1:${full.port}`)]
          })
        })
        yield* Cluster.eventually(Effect.map(node.holdings, (rows) => rows.length === 120))
      }
    })
  )
})
