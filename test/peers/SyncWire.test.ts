/** What released nodes see of us on the wire: shapes, order, paging, errors. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Peer from "../../src/peers/Peer.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"

const client =
  (port: number) =>
  (path: string, init: RequestInit = {}) =>
    Effect.promise(() =>
      fetch(`http://127.0.0.1:${port}/v1/sync/${path}`, {
        ...init,
        headers: { authorization: `Bearer ${Cluster.token}` }
      }).then(async (response) => ({
        status: response.status,
        // The shape is what the assertions are about.
        body: (await response.json().catch(() => undefined)) as {
          records: Array<{ name: string; hash: string; ts: number; ttl: number; value: string }>
          has_more: boolean
          next_cursor: string
          error: string
        }
      }))
    )

const started = Effect.gen(function* () {
  const node = yield* Cluster.start({
    disk: yield* Cluster.newDisk,
    peers: Cluster.peersConfig()
  })
  return { node, get: client(node.port) }
})

describe("the sync routes", () => {
  it.scopedLive("page through many values of one name in strict order", () =>
    Effect.gen(function* () {
      const { get, node } = yield* started
      yield* Effect.forEach(
        Array.from({ length: 25 }, (_, at) => at),
        (at) => node.publish("many.example.org", `value ${at}`),
        { concurrency: "unbounded" }
      )
      const seen: Array<string> = []
      let cursor = ""
      for (let page = 0; page < 9; page++) {
        const { body, status } = yield* get(`digest?limit=10&cursor=${cursor}`)
        assert.strictEqual(status, 200)
        for (const row of body.records) {
          assert.hasAllKeys(row, ["name", "hash", "ts", "ttl"])
          assert.isTrue(Number.isInteger(row.ts) && Number.isInteger(row.ttl))
          seen.push(`${row.ts}:${row.name}:${row.hash}`)
        }
        assert.strictEqual(body.has_more, page < 2)
        if (body.records.length === 0) {
          assert.strictEqual(body.next_cursor, cursor)
          break
        }
        assert.strictEqual(body.next_cursor, seen.at(-1))
        cursor = body.next_cursor
      }
      assert.lengthOf(new Set(seen), 25)
      assert.deepStrictEqual(seen, [...seen].sort())
      assert.include(seen.join(), valueHash("value 3"))
    })
  )

  it.scopedLive("refuse bad parameters with the words of released nodes", () =>
    Effect.gen(function* () {
      const { get } = yield* started
      const cursorError = "cursor must be '<ts>:<name>:<value_hash>'"
      for (const [query, error] of [
        ["cursor=x", cursorError],
        ["cursor=-1:a:", cursorError],
        [`cursor=1:${"a".repeat(254)}:`, cursorError],
        ["cursor=1:a:zz", cursorError],
        [`cursor=1:a:${"AB".repeat(32)}`, cursorError],
        ["limit=x", "limit must be an integer"],
        ["limit=0", "limit must be > 0"],
        ["limit=-3", "limit must be > 0"],
        ["since=x", "since must be an integer"],
        ["since=-1", "since must be >= 0"]
      ] as const) {
        const { body, status } = yield* get(`digest?${query}`)
        assert.deepStrictEqual([status, body.error], [400, error], query)
      }
      for (const query of ["", "cursor=", "cursor=1:a", `cursor=1:a:${"ab".repeat(32)}`, "since=0"])
        assert.strictEqual((yield* get(`digest?${query}`)).status, 200, query)
      const pull = (body: string) => get("pull", { method: "POST", body })
      for (const [text, error] of [
        ["{", "invalid body"],
        ["[]", "invalid body"],
        ["{}", "names must be a list"],
        [`{"names":"a"}`, "names must be a list"],
        [`{"names":[1]}`, "names must be strings"],
        [JSON.stringify({ names: Array(257).fill("a") }), "at most 256 names per request"]
      ] as const) {
        const { body, status } = yield* pull(text)
        assert.deepStrictEqual([status, body.error], [400, error], text)
      }
    })
  )

  it.scopedLive("give every value of the names asked for, in bodies of 128 KiB", () =>
    Effect.gen(function* () {
      const { get, node } = yield* started
      yield* node.publish("two.example.org", "one")
      yield* node.publish("two.example.org", "other")
      const names = Array.from(
        { length: 255 },
        (_, at) => `${"x".repeat(60)}.`.repeat(4).slice(0, 235) + `n${at}.test`
      )
      const { body, status } = yield* get("pull", {
        method: "POST",
        body: JSON.stringify({ names: [...names, " two.example.org. "] })
      })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(body.records.map(({ value }) => value).sort(), ["one", "other"])
      assert.isTrue(body.records.every(({ name, ttl }) => name === "two.example.org" && ttl >= 1))
    })
  )

  it.scopedLive("show released nodes nothing they would refuse, and stop at", () =>
    Effect.gen(function* () {
      const { get, node } = yield* started
      yield* node.publish("_dnsmesh-heartbeat.example.org", "v=dmp1;t=heartbeat;AAAA")
      yield* node.publish("x.example.org", "v=dmp9;unknown")
      yield* node.publish(`mb-${"a".repeat(12)}.example.org`, "text at a reserved name")
      yield* node.publish("chunk-0000-aaaaaaaaaaaa.example.org", "v=dmp1;t=chunk;d=AAAA")
      yield* node.publish("fine.example.org", "v=spf1 -all")
      const { body } = yield* get("digest")
      assert.deepStrictEqual(
        body.records.map(({ name }) => name),
        ["fine.example.org"]
      )
    })
  )

  it.scopedLive("count requests before they look at the token, and the token before the rest", () =>
    Effect.gen(function* () {
      const node = yield* Cluster.start({
        disk: yield* Cluster.newDisk,
        peers: Cluster.peersConfig({ syncRate: 0.001, syncBurst: 3 })
      })
      const status = (path: string, token: string) =>
        Effect.promise(() =>
          fetch(`http://127.0.0.1:${node.port}/v1/sync/${path}`, {
            headers: { authorization: `Bearer ${token}` }
          }).then((response) => response.status)
        )
      assert.strictEqual(yield* status("digest?limit=x", "wrong"), 403)
      assert.strictEqual(yield* status("digest?limit=x", Cluster.token), 400)
      assert.strictEqual(yield* status("digest", Cluster.token), 200)
      assert.strictEqual(yield* status("digest", "wrong"), 429)
      assert.strictEqual(yield* status("digest", Cluster.token), 429)
    })
  )

  it("name a peer known by its URL alone as released nodes do", () => {
    assert.strictEqual(Peer.ofUrl(Cluster.url("http://dnsmesh-node-b:8053")).id, "dnsmesh-n-69b63b")
  })
})
