import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, TestClock } from "effect"
import * as ReplayGuard from "../../src/auth/ReplayGuard.ts"
import { SeenMacs } from "../../src/auth/SeenMacs.ts"

interface Outcome {
  readonly run: number
}

const request = (octet: number, timeSigned = 0) => ({
  mac: new Uint8Array(32).fill(octet),
  timeSigned
})

/** A guard whose requests are settled at once, with the number of the run. */
const counted = (capacity?: number) =>
  Effect.map(ReplayGuard.make<Outcome>(capacity), (guard) => {
    let runs = 0
    return {
      guard,
      runs: () => runs,
      send: (one: ReturnType<typeof request>, lasts = true) => {
        const told: Array<{ readonly run: number; readonly replayed: boolean }> = []
        guard.guard(
          one,
          (settle) => settle({ run: ++runs }),
          () => lasts,
          ({ run }, replayed) => told.push({ run, replayed })
        )
        assert.strictEqual(told.length, 1)
        return told[0]!
      }
    }
  })

describe("the replay guard", () => {
  it.effect("runs a request once and repeats its outcome", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted()
      assert.deepStrictEqual(send(request(1)), { run: 1, replayed: false })
      assert.deepStrictEqual(send(request(1)), { run: 1, replayed: true })
      assert.deepStrictEqual(send(request(2)), { run: 2, replayed: false })
      assert.strictEqual(runs(), 2)
    })
  )

  it.effect("makes a repetition wait while the first still runs, and tells both the same", () =>
    Effect.gen(function* () {
      for (const lasts of [true, false]) {
        const guard = yield* ReplayGuard.make<Outcome>()
        const runs: Array<(outcome: Outcome) => void> = []
        const told: Array<readonly [number, boolean]> = []
        for (const _ of [1, 2, 3])
          guard.guard(
            request(1),
            (settle) => runs.push(settle),
            () => lasts,
            ({ run }, replayed) => told.push([run, replayed])
          )
        assert.deepStrictEqual(told, [])
        assert.strictEqual(runs.length, 1)
        runs[0]?.({ run: 7 })
        assert.deepStrictEqual(told, [
          [7, false],
          [7, true],
          [7, true]
        ])
        assert.strictEqual(guard.size(), lasts ? 1 : 0)
      }
    })
  )

  it.effect("forgets what did not last", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted()
      send(request(1), false)
      send(request(1), true)
      assert.strictEqual(runs(), 2)
      assert.deepStrictEqual(send(request(1)), { run: 2, replayed: true })
    })
  )

  it.effect("remembers for as long as the message would be accepted", () =>
    Effect.gen(function* () {
      const { guard, send } = yield* counted()
      // Signed by a clock 300 s ahead: acceptable until second 600.
      send(request(1, 300))
      yield* TestClock.setTime(600_000)
      send(request(2, 600))
      assert.deepInclude(send(request(1, 300)), { replayed: true })
      yield* TestClock.setTime(601_000)
      send(request(3, 601))
      assert.strictEqual(guard.size(), 2)
      assert.deepInclude(send(request(1, 300)), { replayed: false })
    })
  )

  it.effect("holds no more than its capacity, the oldest going first", () =>
    Effect.gen(function* () {
      const { guard, send } = yield* counted(3)
      for (const octet of [1, 2, 3, 4]) send(request(octet))
      assert.strictEqual(guard.size(), 3)
      assert.deepInclude(send(request(4)), { replayed: true })
      assert.deepInclude(send(request(1)), { replayed: false })
    })
  )

  it.effect("takes the outcome of one it had to forget meanwhile for nobody else's", () =>
    Effect.gen(function* () {
      const guard = yield* ReplayGuard.make<Outcome>(1)
      const told: Array<readonly [number, boolean]> = []
      const tell = ({ run }: Outcome, replayed: boolean) => void told.push([run, replayed])
      let first: ((outcome: Outcome) => void) | undefined
      guard.guard(
        request(1),
        (settle) => (first = settle),
        () => true,
        tell
      )
      guard.guard(
        request(2),
        (settle) => settle({ run: 2 }),
        () => true,
        tell
      )
      first?.({ run: 1 })
      guard.guard(
        request(2),
        (settle) => settle({ run: 3 }),
        () => true,
        tell
      )
      assert.deepStrictEqual(told, [
        [2, false],
        [1, false],
        [2, true]
      ])
    })
  )
})

describe("the MACs seen", () => {
  it.effect.prop(
    "are found as a map of the same finds them, the oldest going first",
    {
      steps: FastCheck.array(FastCheck.tuple(FastCheck.nat(2), FastCheck.nat(40)), {
        maxLength: 400
      })
    },
    ({ steps }) =>
      Effect.sync(() => {
        const capacity = 12
        const seen = new SeenMacs(capacity)
        const model = new Map<number, number>()
        // So few octets differ that some share their words, and all of them buckets.
        const mac = (n: number) => new Uint8Array(28).fill(7).with(n % 16, 100 + (n >> 4))
        for (const [kind, n] of steps) {
          const place = seen.find(mac(n))
          assert.strictEqual(place, model.get(n))
          if (kind === 0 && place !== undefined) {
            seen.remove(place)
            model.delete(n)
          } else if (kind > 0 && place === undefined) {
            const oldest = seen.spent(0)
            const [[first, at] = []] = model
            assert.strictEqual(oldest, model.size < capacity ? undefined : at)
            if (oldest !== undefined && first !== undefined) {
              seen.remove(oldest)
              model.delete(first)
            }
            model.set(n, seen.add(mac(n), 100))
          }
          assert.strictEqual(seen.size, model.size)
        }
        for (const [n, place] of model) assert.strictEqual(seen.find(mac(n)), place)
      })
  )
})
