import { createSocket } from "node:dgram"
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "dns-packet"
import { Deferred, Effect, Layer } from "effect"
import type { DnsConfigShape } from "../../src/dns/DnsConfig.ts"
import { SlowPath } from "../../src/dns/SlowPath.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { frame } from "../../src/wire/TcpFrames.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { port, serverLayer, zoneLayer } from "./DnsFixture.ts"

const live = new LiveZone(0)
live.apply(
  Array.from({ length: 30 }, (_, i) => ({
    _tag: "Put",
    row: {
      owner: unsafeMake("many.mesh.test"),
      value: `${i}`.padEnd(240, "m"),
      ttl: 1,
      createdAt: 0,
      expiresAt: 4e9
    }
  }))
)

const refusal = (message: Buffer) => {
  const reply = Buffer.from(message.subarray(0, 12))
  reply.writeUInt16BE(0xa805, 2)
  reply.fill(0, 4)
  return reply
}

const refuse: SlowPath["Type"] = {
  update: (message, _exchange, conclude) =>
    conclude({ reply: refusal(message), outcome: "refused" }),
  handle: (message, exchange) =>
    Effect.sync(() => {
      exchange.send(refusal(message))
      return "refused"
    })
}

/** Runs `use` against a server of its own; `use` gets the port. */
const serving = <A, E>(
  use: (port: number) => Effect.Effect<A, E>,
  options: Partial<DnsConfigShape> = {},
  slow: SlowPath["Type"] = refuse
) =>
  Effect.flatMap(port, use).pipe(
    Effect.provide(
      serverLayer(Layer.succeed(SlowPath, slow)).pipe(Layer.provide(zoneLayer(live, options)))
    )
  )

const query = (name: string, id = 1) =>
  encode({ type: "query", id, questions: [{ name, type: "TXT" }] })
const withCookie = (name: string, cookie: Buffer) =>
  encode({
    type: "query",
    id: 1,
    questions: [{ name, type: "TXT" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 1232,
        flags: 0,
        options: [{ code: 10, data: cookie }]
      } as never
    ]
  })
const update = Buffer.from("000128000000000000000000", "hex")

/** Sends `messages` over UDP; collects what comes back within `wait` ms. */
const udp = (port: number, messages: ReadonlyArray<Buffer>, wait = 150, host = "127.0.0.1") =>
  Effect.async<ReadonlyArray<Buffer>>((resume) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4")
    const got: Array<Buffer> = []
    socket.on("message", (message) => got.push(message))
    messages.forEach((message) => socket.send(message, port, host))
    setTimeout(() => {
      socket.close()
      resume(Effect.succeed(got))
    }, wait)
  })

const opened = (port: number) =>
  Effect.async<Socket>((resume) => {
    const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
    socket.on("error", () => socket.destroy())
  })

/** Everything a connection says until it ends, or for `wait` ms. */
const heard = (socket: Socket, wait = 400) =>
  Effect.async<{ readonly replies: ReadonlyArray<Buffer>; readonly ended: boolean }>((resume) => {
    const chunks: Array<Buffer> = []
    const done = (ended: boolean) => {
      clearTimeout(timer)
      const all = Buffer.concat(chunks)
      const replies: Array<Buffer> = []
      for (let at = 0; at < all.length; at += 2 + all.readUInt16BE(at))
        replies.push(all.subarray(at + 2, at + 2 + all.readUInt16BE(at)))
      resume(Effect.succeed({ replies, ended }))
    }
    const timer = setTimeout(() => done(false), wait)
    socket.on("data", (chunk: Buffer) => chunks.push(chunk))
    socket.on("end", () => done(true))
    socket.on("close", () => done(true))
  })

describe("DnsServer", () => {
  it.live("answers on IPv4 and IPv6, each query with exactly one datagram", () =>
    serving((port) =>
      Effect.gen(function* () {
        const over4 = yield* udp(port, [query("many.mesh.test", 1), query("none.mesh.test", 2)])
        assert.deepStrictEqual(over4.map((it) => decode(it).id).sort(), [1, 2])
        const over6 = yield* udp(port, [query("many.mesh.test", 3)], 150, "::1")
        assert.deepStrictEqual(
          over6.map((it) => decode(it).flag_tc),
          [true]
        )
      })
    )
  )

  it.live("stays silent to responses and scraps, over UDP", () =>
    serving((port) =>
      Effect.gen(function* () {
        const response = query("many.mesh.test")
        response.writeUInt8(0x80, 2)
        assert.deepStrictEqual(yield* udp(port, [response, Buffer.alloc(3), Buffer.alloc(0)]), [])
      })
    )
  )

  it.live("answers many queries on one connection, also those that come in scraps", () =>
    serving((port) =>
      Effect.gen(function* () {
        const socket = yield* opened(port)
        const bytes = frame([1, 2, 3, 4, 5].map((id) => query("many.mesh.test", id)))
        socket.write(bytes.subarray(0, 1))
        yield* Effect.sleep("20 millis")
        socket.write(bytes.subarray(1, 60))
        yield* Effect.sleep("20 millis")
        socket.end(bytes.subarray(60))
        const { replies, ended } = yield* heard(socket)
        assert.isTrue(ended)
        assert.deepStrictEqual(
          replies.map((it) => decode(it).id),
          [1, 2, 3, 4, 5]
        )
        assert.isTrue(replies.every((it) => decode(it).answers?.length === 30))
      })
    )
  )

  it.live("gives quick answers before slow ones on the same connection, and loses neither", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const slow: SlowPath["Type"] = {
        ...refuse,
        update: (message, from, conclude) =>
          Effect.runFork(
            Effect.map(Deferred.await(gate), () => refuse.update(message, from, conclude))
          )
      }
      yield* serving(
        (port) =>
          Effect.gen(function* () {
            const socket = yield* opened(port)
            socket.end(frame([update, query("many.mesh.test", 2)]))
            yield* Effect.sleep("50 millis").pipe(
              Effect.zipRight(Deferred.succeed(gate, undefined)),
              Effect.fork
            )
            const { replies } = yield* heard(socket)
            assert.deepStrictEqual(
              replies.map((it) => it.readUInt16BE(0)),
              [2, 1]
            )
          }),
        {},
        slow
      )
    })
  )

  it.live("sheds what is over DMP_DNS_MAX_CONCURRENCY, while plain queries go on", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* udp(port, [update, update, update]), [])
          assert.strictEqual((yield* udp(port, [query("many.mesh.test")])).length, 1)
        }),
      {},
      { ...refuse, update: () => {} }
    )
  )

  it.live("answers a defect with SERVFAIL and has the place of the message free again", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          for (let time = 0; time < 4; time++) {
            const [reply] = yield* udp(port, [update])
            assert.strictEqual(reply?.readUInt16BE(2), 0xa802)
          }
        }),
      {},
      {
        ...refuse,
        update: () => {
          throw new Error("a bug")
        }
      }
    )
  )

  it.live("idle connections do not stop UDP, and their number is capped by source", () =>
    serving((port) =>
      Effect.gen(function* () {
        const sockets = yield* Effect.all(Array.from({ length: 10 }, () => opened(port)))
        const eleventh = yield* opened(port)
        assert.isTrue((yield* heard(eleventh)).ended)
        assert.strictEqual((yield* udp(port, [query("many.mesh.test")])).length, 1)
        sockets.forEach((socket) => socket.destroy())
        yield* Effect.sleep("50 millis")
        const again = yield* opened(port)
        again.write(frame([query("many.mesh.test")]))
        assert.strictEqual((yield* heard(again, 150)).replies.length, 1)
        again.destroy()
      })
    )
  )

  it.live("ends connections that are idle, that drip, and that announce nothing", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          const idle = yield* opened(port)
          const zero = yield* opened(port)
          zero.write(Buffer.from([0, 0]))
          const drip = yield* opened(port)
          const timer = setInterval(() => drip.writable && drip.write(Buffer.from([1])), 50)
          const ends = yield* Effect.all(
            [heard(idle, 3000), heard(zero, 3000), heard(drip, 3000)],
            { concurrency: "unbounded" }
          )
          clearInterval(timer)
          assert.deepStrictEqual(
            ends.map((it) => it.ended),
            [true, true, true]
          )
        }),
      { tcpIdleTimeout: 0.2, tcpMessageTimeout: 0.4 }
    )
  )

  it.live("at burst 1 a UDP query and its TCP retry succeed, a second TCP query is closed on", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          const [reply] = yield* udp(port, [query("many.mesh.test")])
          assert.isTrue(reply !== undefined && decode(reply).flag_tc)
          const retry = yield* opened(port)
          retry.write(frame([query("many.mesh.test")]))
          assert.strictEqual((yield* heard(retry, 150)).replies.length, 1)
          const second = yield* opened(port)
          second.write(frame([query("many.mesh.test")]))
          assert.deepStrictEqual(yield* heard(second), { replies: [], ended: true })
          retry.destroy()
        }),
      { rate: 0.001, burst: 1 }
    )
  )

  it.live("answers every second limited query with TC, and never more than was asked", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          const ids = Array.from({ length: 11 }, (_, id) => query("many.mesh.test", id))
          const replies = yield* udp(port, ids)
          assert.strictEqual(replies.length, 6)
          assert.isTrue(replies.every((it) => decode(it).flag_tc))
        }),
      { rate: 0.001, burst: 1 }
    )
  )

  it.live(
    "over the limit gives a cookie to who knows cookies, and answers who brings one back",
    () =>
      serving(
        (port) =>
          Effect.gen(function* () {
            const first = withCookie("few.mesh.test", Buffer.alloc(8, 1))
            const replies = yield* udp(port, [first, first, first])
            assert.deepStrictEqual(
              replies.map((it) => it.readUInt8(3) & 15),
              [3, 7, 7]
            )
            assert.isAtMost(Math.max(...replies.slice(1).map((it) => it.length)), first.length + 16)
            // The cookie ends the reply.
            const cookie = replies[1]?.subarray(-24) ?? Buffer.alloc(0)
            const again = yield* udp(port, Array(5).fill(withCookie("few.mesh.test", cookie)))
            assert.deepStrictEqual(
              again.map((it) => it.readUInt8(3) & 15),
              [3, 3, 3, 3, 3]
            )
          }),
        { rate: 0.001, burst: 1 }
      )
  )

  it.live("limits who brings a cookie back too, at twenty times as much", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          const [first] = yield* udp(port, [withCookie("few.mesh.test", Buffer.alloc(8, 1))])
          const asked = withCookie("few.mesh.test", first?.subarray(-24) ?? Buffer.alloc(0))
          const replies = yield* udp(port, Array(50).fill(asked))
          const codes = replies.map((it) => (decode(it).flag_tc ? "TC" : it.readUInt8(3) & 15))
          assert.deepStrictEqual(codes.slice(0, 40), Array(40).fill(3))
          // No new cookie would help.
          assert.deepStrictEqual(codes.slice(40), Array(5).fill("TC"))
        }),
      { rate: 0.001, burst: 2 }
    )
  )

  it.live("tells every limited update to come over TCP, for clients never repeat one", () =>
    serving(
      (port) =>
        Effect.gen(function* () {
          const replies = yield* udp(port, Array(4).fill(update))
          assert.deepStrictEqual(
            replies.map((it) => [it.length, decode(it).flag_tc]),
            [
              [12, false],
              [12, true],
              [12, true],
              [12, true]
            ]
          )
        }),
      { rate: 0.001, burst: 1 }
    )
  )

  it.live("does not limit addresses that are exempt", () =>
    serving(
      (port) =>
        Effect.map(udp(port, Array(20).fill(query("few.mesh.test"))), (replies) =>
          assert.strictEqual(replies.length, 20)
        ),
      { rate: 0.001, burst: 1, rateExempt: ["127.0.0.0/8"] }
    )
  )

  it.live("says in one line that a port is taken", () =>
    serving((port) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(serving(() => Effect.void, { port }))
        assert.strictEqual(error._tag, "BindFailed")
        assert.match(error.message, /^cannot listen for DNS\/UDP on 127\.0\.0\.1:\d+: .*in use/)
      })
    )
  )
})
