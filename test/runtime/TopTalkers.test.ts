import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, TestClock } from "effect"
import { networkOf, TopTalkers } from "../../src/runtime/TopTalkers.ts"

const kept = Effect.provide(TopTalkers.layer)

describe("networks", () => {
  it.each([
    ["192.0.2.77", "192.0.2.0/24"],
    ["2001:db8:1:2::9", "2001:db8:1::/48"],
    ["::1", "0:0:0::/48"],
    ["unknown", "unknown"]
  ])("%s belongs to %s", (address, network) => assert.strictEqual(networkOf(address), network))
})

describe("top talkers", () => {
  it.effect("are told by network and limit, most refused first", () =>
    Effect.gen(function* () {
      const talkers = yield* TopTalkers
      for (const last of [1, 2, 3]) talkers.refused("dns", `192.0.2.${last}`)
      talkers.refused("http", "192.0.2.1")
      talkers.refused("dns", "198.51.100.1")
      talkers.refused("dns", "198.51.100.2")
      assert.deepStrictEqual(
        talkers.top(2).map(({ limit, network, refusals }) => [network, limit, refusals]),
        [
          ["192.0.2.0/24", "dns", 3],
          ["198.51.100.0/24", "dns", 2]
        ]
      )
    }).pipe(kept)
  )

  it.effect("tell who asks most apart from who is refused most", () =>
    Effect.gen(function* () {
      const talkers = yield* TopTalkers
      talkers.asked("192.0.2.1", 16)
      talkers.asked("192.0.2.2", 16)
      talkers.asked("2001:db8::1", 16)
      talkers.refused("dns", "198.51.100.1")
      assert.deepStrictEqual(
        talkers.busiest(9).map(({ network, queries }) => [network, queries]),
        [
          ["192.0.2.0/24", 32],
          ["2001:db8:0::/48", 16]
        ]
      )
      assert.deepStrictEqual(
        talkers.top(9).map(({ network }) => network),
        ["198.51.100.0/24"]
      )
    }).pipe(kept)
  )

  it.effect(
    "keep one that stands out among strangers without number, and never count too much",
    () =>
      Effect.gen(function* () {
        const talkers = yield* TopTalkers
        for (let i = 0; i < 100_000; i++) {
          talkers.refused("dns", `${1 + (i % 200)}.${(i >> 8) & 255}.${i & 255}.1`)
          if (i % 10 === 0) talkers.refused("dns", "203.0.113.9")
        }
        const all = talkers.top(100_000)
        assert.isAtMost(all.length, 256)
        assert.strictEqual(all[0]?.network, "203.0.113.0/24")
        assert.isAtMost(all[0]?.refusals ?? 0, 10_000)
        assert.isAbove(all[0]?.refusals ?? 0, 9000)
      }).pipe(kept)
  )

  it.effect("are forgotten within two hours", () =>
    Effect.gen(function* () {
      const talkers = yield* TopTalkers
      talkers.refused("login", "192.0.2.1")
      yield* TestClock.adjust("61 minutes")
      talkers.refused("login", "192.0.2.1")
      assert.strictEqual(talkers.top(1)[0]?.refusals, 2)
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual(talkers.top(1)[0]?.refusals, 1)
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(talkers.top(1), [])
    }).pipe(kept)
  )

  it.effect("are nobody where nothing is kept", () =>
    Effect.gen(function* () {
      const talkers = yield* TopTalkers
      talkers.refused("dns", "192.0.2.1")
      assert.deepStrictEqual(talkers.top(5), [])
    })
  )

  it("never hold a whole address", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(FastCheck.ipV4(), FastCheck.ipV6()), (address) => {
        const network = networkOf(address.toLowerCase())
        return network === "unknown" || /(\.0\/24|::\/48)$/.test(network)
      }),
      { numRuns: 200 }
    )
  })
})
