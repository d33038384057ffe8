import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck as fc } from "effect"
import { clientOf, peerAt } from "../../src/http/ClientAddress.ts"
import * as TrustedProxies from "../../src/runtime/TrustedProxies.ts"
import { ask, start } from "./TestNode.ts"

const trusts = Either.getOrThrow(
  TrustedProxies.make(["127.0.0.0/8", "::1/128", "10.0.0.0/8", "fd00::/8"])
)
const resolve = (peer: string, headers: Record<string, string | Array<string>>) =>
  clientOf(peerAt(peer, trusts), headers, trusts).address

describe("the client's address", () => {
  const table: ReadonlyArray<readonly [string, Record<string, string>, string]> = [
    ["203.0.113.9", {}, "203.0.113.9"],
    ["::ffff:203.0.113.9", {}, "203.0.113.9"],
    ["127.0.0.1", {}, "127.0.0.1"],
    ["127.0.0.1", { "x-real-ip": "198.51.100.7" }, "198.51.100.7"],
    ["127.0.0.1", { "x-real-ip": " 2001:DB8::0007 " }, "2001:db8::7"],
    ["::ffff:127.0.0.1", { "x-real-ip": "198.51.100.7" }, "198.51.100.7"],
    ["::1", { "x-real-ip": "::ffff:c633:6407" }, "198.51.100.7"],
    ["fd12::1", { "x-real-ip": "198.51.100.7" }, "198.51.100.7"],
    // Not exactly one literal: the other header decides.
    ["127.0.0.1", { "x-real-ip": "1.1.1.1, 2.2.2.2", "x-forwarded-for": "3.3.3.3" }, "3.3.3.3"],
    ["127.0.0.1", { "x-real-ip": "1.1.1.1:80", "x-forwarded-for": "3.3.3.3" }, "3.3.3.3"],
    ["127.0.0.1", { "x-real-ip": "", "x-forwarded-for": "" }, "127.0.0.1"],
    ["127.0.0.1", { "x-real-ip": "localhost" }, "127.0.0.1"],
    ["127.0.0.1", { "x-real-ip": "0x7f.1" }, "127.0.0.1"],
    // From the right, over trusted hops, no further than the first stranger.
    ["127.0.0.1", { "x-forwarded-for": "6.6.6.6, 3.3.3.3" }, "3.3.3.3"],
    ["127.0.0.1", { "x-forwarded-for": "6.6.6.6, 3.3.3.3, 10.1.1.1" }, "3.3.3.3"],
    ["127.0.0.1", { "x-forwarded-for": "10.2.2.2, 10.1.1.1" }, "10.2.2.2"],
    ["127.0.0.1", { "x-forwarded-for": "6.6.6.6, junk, 10.1.1.1" }, "10.1.1.1"],
    ["127.0.0.1", { "x-forwarded-for": "junk" }, "127.0.0.1"],
    // A stranger's word counts for nothing.
    ["203.0.113.9", { "x-real-ip": "1.1.1.1", "x-forwarded-for": "2.2.2.2" }, "203.0.113.9"],
    ["11.0.0.1", { "x-real-ip": "1.1.1.1" }, "11.0.0.1"]
  ]
  it.each(table)("of %s with %o is %s", (peer, headers, expected) => {
    assert.strictEqual(resolve(peer, headers), expected)
  })

  it("of a socket that is gone is unknown, and nobody can speak for it", () => {
    const client = clientOf(
      peerAt(undefined, () => true),
      { "x-real-ip": "1.1.1.1" },
      () => true
    )
    assert.strictEqual(client.address, "unknown")
  })

  it.prop(
    "never depends on what an untrusted peer sends",
    [fc.ipV4(), fc.string(), fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())],
    ([peer, forwarded, real]) => {
      fc.pre(!trusts(peer))
      assert.strictEqual(resolve(peer, { "x-forwarded-for": forwarded, "x-real-ip": real }), peer)
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "is what the nearest trusted proxy saw, however much a client put before it",
    [fc.string({ maxLength: 60 }), fc.ipV4()],
    ([forged, seen]) => {
      fc.pre(!trusts(seen))
      assert.strictEqual(resolve("127.0.0.1", { "x-forwarded-for": `${forged}, ${seen}` }), seen)
    },
    { fastCheck: { numRuns: 200 } }
  )
})

describe("buckets", () => {
  const get = "/v1/records/a.example"
  const from = (address: string) => ({ headers: { "x-real-ip": address } })
  const one = { rate: 0.001, burst: 1 }

  it.scopedLive("are apart for two clients behind a trusted proxy", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { ...one, trustedProxies: ["127.0.0.0/8"] } })
      assert.strictEqual((yield* ask(node, "GET", get, from("198.51.100.1"))).status, 404)
      assert.strictEqual((yield* ask(node, "GET", get, from("198.51.100.1"))).status, 429)
      assert.strictEqual((yield* ask(node, "GET", get, from("198.51.100.2"))).status, 404)
      // One IPv6 subscriber is one client, whichever of its addresses it uses.
      assert.strictEqual((yield* ask(node, "GET", get, from("2001:db8:1:2::1"))).status, 404)
      assert.strictEqual((yield* ask(node, "GET", get, from("2001:db8:1:2:ffff::9"))).status, 429)
      assert.strictEqual((yield* ask(node, "GET", get, from("2001:db8:1:3::1"))).status, 404)
    })
  )

  it.scopedLive("cannot be escaped with forged headers", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: one })
      assert.strictEqual((yield* ask(node, "GET", get, from("198.51.100.1"))).status, 404)
      for (let i = 2; i < 6; i++) {
        const headers = { "x-real-ip": `198.51.100.${i}`, "x-forwarded-for": `198.51.100.${i}` }
        assert.strictEqual((yield* ask(node, "GET", get, { headers })).status, 429)
      }
    })
  )
})
