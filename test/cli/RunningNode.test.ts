/** Importing into a node that limits, refuses and fails, over a real socket. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted } from "effect"
import { make } from "../../src/cli/records/RunningNode.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { ask, closed, operatorToken, start } from "../http/TestNode.ts"

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `n${i}.a`, value: "x", ttl: 60 }))

const target = (url: string, waits: Array<number>, token?: string) =>
  make({
    url,
    token: Option.map(Option.fromNullable(token), Redacted.make),
    waiting: (seconds) => Effect.sync(() => void waits.push(seconds))
  })

describe("an import into a running node", () => {
  it.scopedLive("publishes what is sound, and says of the rest what a publish would say", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const outcomes = yield* target(node.url, [], operatorToken).publish([
        { name: "a.b", value: "x", ttl: 60 },
        { name: "a..b", value: "x", ttl: 60 },
        { name: "a.b", value: 'a"b', ttl: 60 }
      ])
      assert.deepStrictEqual(
        outcomes.map((outcome) => outcome?.code),
        [undefined, "invalid-name", "invalid-value"]
      )
    })
  )

  it.scopedLive("waits as it is told, and loses nothing over it", () =>
    Effect.gen(function* () {
      const node = yield* start({ http: { rate: 20, burst: 10 } })
      const waits: Array<number> = []
      const into = target(node.url, waits)
      // Longer than what is let in at once, and then more than is left.
      const outcomes = yield* into.publish(many(16))
      assert.deepStrictEqual(
        outcomes,
        many(16).map(() => undefined)
      )
      assert.isAbove(waits.length, 0)
      for (let i = 0; i < 16; i += 5)
        yield* ask(node, "GET", `/v1/records/n${i}.a`).pipe(
          Effect.repeat({ until: ({ status }) => status !== 429 }),
          Effect.map(({ status }) => assert.strictEqual(status, 200))
        )
    })
  )

  it.scopedLive("tries again while the store is in trouble", () =>
    Effect.gen(function* () {
      const node = yield* start()
      node.failStore(new StoreError({ reason: "locked", message: "" }))
      const waits: Array<number> = []
      const publishing = yield* Effect.fork(target(node.url, waits).publish(many(2)))
      yield* Effect.sync(() => waits.length).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (count) => count > 0 })
      )
      node.failStore(undefined)
      assert.deepStrictEqual(yield* Fiber.join(publishing), [undefined, undefined])
    })
  )

  it.scopedLive("ends with what the node says when it is not let in, or is not there", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const denied = yield* Effect.flip(target(node.url, [], "wrong").publish(many(1)))
      assert.include(denied.message, "answers 401: unauthorized")
      const gone = yield* Effect.flip(target("http://127.0.0.1:1", []).publish(many(1)))
      assert.include(gone.message, "does not answer")
    })
  )
})
