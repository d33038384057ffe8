import { createSocket, type Socket } from "node:dgram"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Logger, Metric, MetricState, Option, Queue } from "effect"
import * as Notifier from "../../src/dns/Notifier.ts"
import { TransferConfig } from "../../src/dns/TransferConfig.ts"
import { parse, type Message } from "../../src/wire/Message.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import * as Tsig from "../../src/wire/Tsig.ts"
import { verify } from "../../src/wire/TsigVerify.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { ZoneVersions } from "../../src/zone/ZoneVersions.ts"
import { zoneLayer } from "./DnsFixture.ts"

const key = Either.getOrThrow(
  Tsig.makeKey("xfr.mesh.test", "hmac-sha256", Buffer.from("secret-secret-secret"))
)

/** A secondary that answers every NOTIFY with `code`, or not at all. */
const secondary = (port: number, code: () => number | undefined) =>
  Effect.gen(function* () {
    const heard = yield* Queue.unbounded<Message>()
    const socket: Socket = yield* Effect.acquireRelease(
      Effect.async<Socket>((resume) => {
        const opened = createSocket("udp4")
        opened.bind(port, "127.0.0.1", () => resume(Effect.succeed(opened)))
      }),
      (opened) => Effect.sync(() => opened.close())
    )
    socket.on("message", (bytes, from) => {
      heard.unsafeOffer(Either.getOrThrow(parse(bytes)))
      const answer = Buffer.from(bytes.subarray(0, 12))
      const rcode = code()
      if (rcode === undefined) return
      answer.writeUInt16BE(0xa000 | rcode, 2)
      answer.fill(0, 4)
      socket.send(answer, from.port, from.address)
    })
    return { heard, port: (socket.address() as AddressInfo).port }
  })

/** A port on which nobody listens, so that the kernel says so. */
const closedPort = Effect.scoped(
  Effect.map(
    secondary(0, () => 0),
    ({ port }) => port
  )
)

let count = 0
/** A new version of the zone. */
const news = Effect.gen(function* () {
  const live = yield* AnswerIndex
  const feed = yield* ChangeFeed
  const owner = unsafeMake(`n${count++}.mesh.test`)
  const changes = [
    { _tag: "Put", row: { owner, value: "v", ttl: 1, createdAt: 0, expiresAt: 4e9 } } as const
  ]
  feed.unsafeEmit({ cause: "write", changes, content: live.apply(changes) })
  return yield* Effect.flatMap(ZoneVersions, ({ close }) => close((serial) => serial))
})

const telling = <A, E, R>(
  port: number,
  use: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>
) => {
  const lines: Array<string> = []
  const capture = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void lines.push(String(message)))
  )
  return Effect.suspend(() => use(lines)).pipe(
    Effect.provide(
      Notifier.layer.pipe(
        Layer.provide(
          Layer.succeed(TransferConfig, {
            allow: [],
            key: Option.some(key),
            notify: [{ address: "127.0.0.1", port }]
          })
        ),
        Layer.provideMerge(zoneLayer(new LiveZone(0))),
        Layer.provideMerge(capture)
      )
    )
  )
}

const serialIn = (message: Message): number => {
  const [soa] = message.answers
  return soa === undefined ? -1 : message.bytes.readUInt32BE(soa.rdataEnd - 20)
}

/** Sleeps in real time until `check` holds: what is waited for comes from the kernel. */
const until = (check: () => boolean) =>
  Effect.async<void>((resume) => {
    const timer = setInterval(() => {
      if (!check()) return
      clearInterval(timer)
      resume(Effect.void)
    }, 5)
    return Effect.sync(() => clearInterval(timer))
  })

/** Attempts nobody has answered, since this process began. */
const unanswered = (): number =>
  Metric.unsafeSnapshot(undefined)
    .filter(
      ({ metricKey: { name, tags } }) =>
        name === "dmp_dns_notify_total" && tags.some(({ value }) => value === "unanswered")
    )
    .reduce(
      (sum, { metricState }) =>
        sum + (MetricState.isCounterState(metricState) ? Number(metricState.count) : 0),
      0
    )

// The clock stands still in these: whatever happens is not for a pause that has ended.
describe("Notifier", () => {
  it.scoped("tells each secondary at the start and of each version, signed, with its serial", () =>
    Effect.gen(function* () {
      const { heard, port } = yield* secondary(0, () => 0)
      yield* telling(port, () =>
        Effect.gen(function* () {
          const first = yield* Queue.take(heard)
          assert.deepInclude(first.questions[0], { name: "mesh.test", type: 6 })
          const tsig = Either.getOrThrow(Tsig.find(first))
          assert(tsig !== undefined)
          assert.strictEqual(verify(first, tsig, key, { now: tsig.timeSigned })._tag, "Verified")
          const serial = yield* news
          assert.strictEqual(serialIn(yield* Queue.take(heard)), serial)
        })
      )
    })
  )

  it.scoped("does not let a secondary that was away wait for the end of a pause", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const before = unanswered()
      yield* telling(port, () =>
        Effect.gen(function* () {
          yield* until(() => unanswered() > before)
          const { heard } = yield* secondary(port, () => 0)
          const serial = yield* news
          for (;;) if (serialIn(yield* Queue.take(heard)) === serial) break
        })
      )
    })
  )

  it.scoped("says once that a secondary refuses, and that it no longer does", () =>
    Effect.gen(function* () {
      let code = 9
      const { heard, port } = yield* secondary(0, () => code)
      yield* telling(port, (lines) =>
        Effect.gen(function* () {
          yield* Queue.take(heard)
          yield* until(() => lines.length === 1)
          yield* news
          yield* Queue.take(heard)
          code = 0
          yield* news
          yield* Queue.take(heard)
          yield* until(() => lines.length === 2)
          assert.match(lines[0] ?? "", /refuses NOTIFY of mesh\.test with rcode 9/)
          assert.match(lines[1] ?? "", /answers NOTIFY again/)
        })
      )
    })
  )
})
