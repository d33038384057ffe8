import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as Name from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import * as Census from "../../src/zone/Census.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"

const put = (zone: LiveZone, owner: string, value: string, expiresAt: number) =>
  zone.apply([
    {
      _tag: "Put",
      row: { owner: Name.unsafeMake(owner), value, ttl: 60, expiresAt, createdAt: 0 }
    }
  ])

const kindOf = (octets: string) => octets.charAt(0)

describe("the census", () => {
  it.live("counts live values by kind and by when they end, names once, in slices", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const zone = new LiveZone(now)
      put(zone, "a.x", "a1", now + 100)
      put(zone, "a.x", "b22", now + 100_000)
      for (let i = 0; i < 5000; i++) put(zone, `n${i}.x`, "c", now + 3000)
      const census = yield* Effect.provideService(Census.take(kindOf), AnswerIndex, zone)
      assert.strictEqual(census.values, 5002)
      assert.strictEqual(census.names, 5001)
      assert.deepStrictEqual([...census.byKind].sort(), [
        ["a", { values: 1, octets: 2 }],
        ["b", { values: 1, octets: 3 }],
        ["c", { values: 5000, octets: 5000 }]
      ])
      assert.deepStrictEqual(
        census.endings.filter(({ values }) => values > 0),
        [
          { within: 600, values: 1 },
          { within: 3600, values: 5000 },
          { within: 604_800, values: 1 }
        ]
      )
    })
  )

  it.effect("leaves out what is over although no sweep has come by", () =>
    Effect.gen(function* () {
      const zone = new LiveZone(0)
      put(zone, "a.x", "a", 10)
      yield* TestClock.adjust("10 seconds")
      const census = yield* Effect.provideService(Census.take(kindOf), AnswerIndex, zone)
      assert.deepStrictEqual([census.values, census.names], [0, 0])
    })
  )
})
