import { createSocket } from "node:dgram"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "dns-packet"
import { Effect } from "effect"
import {
  directory,
  type NodeProblem,
  type NodeProcess,
  publish,
  request,
  start
} from "./NodeProcess.ts"

const eventually = (check: Effect.Effect<boolean, NodeProblem>) =>
  check.pipe(
    Effect.delay("50 millis"),
    Effect.repeat({ until: (done) => done }),
    Effect.timeout("15 seconds")
  )

/** The reply each of `count` clients gets, every one with a port of its own. */
const ask = (port: number, message: Buffer, count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () =>
      Effect.async<ReturnType<typeof decode>, string>((resume) => {
        const socket = createSocket("udp4")
        const done = (outcome: Effect.Effect<ReturnType<typeof decode>, string>) => {
          clearTimeout(timer)
          socket.close()
          resume(outcome)
        }
        const timer = setTimeout(() => done(Effect.fail("no reply")), 5000)
        socket.once("message", (reply) => done(Effect.succeed(decode(reply))))
        socket.send(message, port, "127.0.0.1")
      }),
    { concurrency: "unbounded" }
  )

const txt = (name: string) =>
  encode({ type: "query", id: 1, questions: [{ name: `${name}.mesh.test`, type: "TXT" }] })

const metric = (node: NodeProcess, series: string) =>
  Effect.map(request(node, "/metrics"), ({ body }) =>
    Number(
      body
        .split("\n")
        .find((line) => line.startsWith(`${series} `))
        ?.split(" ")[1] ?? 0
    )
  )

describe("the node on several threads, from outside", () => {
  it.scopedLive("answers the same from each, counts them as one, ends in good order", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const env = {
        DMP_DB_PATH: join(dir, "dmp.db"),
        DMP_DNS_WORKERS: "3",
        DMP_DNS_RATE: "0",
        DMP_HTTP_RATE: "0"
      }
      for (const round of [1, 2])
        yield* Effect.gen(function* () {
          const node = yield* start(env)
          yield* eventually(
            Effect.map(
              request(node, "/readyz"),
              ({ body, status }) =>
                status === 200 && JSON.parse(body).checks["dns-workers"] === "ok"
            )
          )
          // The second node finds the zone on disk; the first one is told as it goes.
          if (round === 1)
            for (let i = 0; i < 50; i++)
              assert.strictEqual((yield* publish(node, `n${i}.mesh.test`, `v${i}`)).status, 201)
          for (let i = 0; i < 50; i += 7)
            for (const { answers } of yield* ask(node.dns, txt(`n${i}`), 12))
              assert.deepStrictEqual(
                answers?.map((it) => it.type === "TXT" && String(it.data)),
                [`v${i}`]
              )
          // Zone mesh.test, nothing else.
          const update = Buffer.from(
            "000128000001000000000000046d65736804746573740000060001",
            "hex"
          )
          const updates = yield* ask(node.dns, update, 12)
          assert.strictEqual(new Set(updates.map((it) => JSON.stringify(it))).size, 1)
          const messages = 8 * 12 + 12
          yield* eventually(
            Effect.map(
              metric(node, 'dmp_dns_messages_total{transport="udp"}'),
              (count) => count === messages
            )
          )
          for (const thread of ["dns-1", "dns-2"]) {
            const share = yield* metric(node, `dmp_dns_thread_messages_total{thread="${thread}"}`)
            assert.isAbove(share, 0, thread)
            assert.isBelow(share, messages)
          }
          process.kill(node.child.pid ?? 0, "SIGTERM")
          assert.strictEqual((yield* node.ended).code, 0)
          assert.notMatch(node.output(), /ERROR|WARNING.*thread/)
        }).pipe(Effect.scoped)
    })
  )
})
