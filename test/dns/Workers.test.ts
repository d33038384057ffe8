import { createSocket, type Socket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "dns-packet"
import { Context, Effect, Layer, MetricState } from "effect"
import { DnsListeners } from "../../src/dns/DnsServer.ts"
import * as DnsTally from "../../src/dns/DnsTally.ts"
import * as DnsServer from "../../src/dns/DnsServer.ts"
import type { DnsConfigShape } from "../../src/dns/DnsConfig.ts"
import { Pipeline } from "../../src/dns/Pipeline.ts"
import { Responder } from "../../src/dns/Responder.ts"
import { SlowPath } from "../../src/dns/SlowPath.ts"
import { dnsThreadMain } from "../../src/dns/WorkerThread.ts"
import { Workers } from "../../src/dns/Workers.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import { Readiness } from "../../src/runtime/Readiness.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"
import { zoneLayer } from "./DnsFixture.ts"

const put = (name: string, value: string, expiresAt = 4e9): RowChange => ({
  _tag: "Put",
  row: { owner: unsafeMake(`${name}.mesh.test`), value, ttl: 1, createdAt: 0, expiresAt }
})

const refusal = (message: Buffer) => {
  const reply = Buffer.from(message.subarray(0, 12))
  reply.writeUInt16BE(0xa805, 2)
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

const crashing = new URL("./crashingThreadMain.ts", import.meta.url)

const stuck = new URL("./stuckThreadMain.ts", import.meta.url)

interface Node {
  readonly port: number
  readonly live: LiveZone
  readonly change: (...changes: ReadonlyArray<RowChange>) => void
  readonly threads: Workers["Type"]["threads"]
  readonly report: Readiness["Type"]["report"]
}

/** Runs `use` against a node of its own, once its threads answer. */
const withThreads = <A, E>(
  use: (node: Node) => Effect.Effect<A, E>,
  options: Partial<DnsConfigShape> = {},
  held: ReadonlyArray<RowChange> = [],
  entry = dnsThreadMain,
  /** Changes made one by one while the threads start. */
  meanwhile: ReadonlyArray<RowChange> = [],
  slow: SlowPath["Type"] = refuse
) => {
  const live = new LiveZone(0)
  live.apply([put("held", "from the start"), ...held])
  const layer = Workers.layerOf(entry).pipe(
    Layer.provideMerge(DnsServer.layer),
    Layer.provideMerge(DnsListeners.layer),
    Layer.provideMerge(Pipeline.layer),
    Layer.provide(Layer.succeed(SlowPath, slow)),
    Layer.provideMerge(Responder.layer),
    Layer.provideMerge(Readiness.layer),
    Layer.provideMerge(zoneLayer(live, { hosts: ["127.0.0.1"], workers: 3, ...options }))
  )
  return Effect.gen(function* () {
    const context = yield* Layer.build(layer)
    const { report } = Context.get(context, Readiness)
    const feed = Context.get(context, ChangeFeed)
    yield* Effect.forEach(meanwhile, (change) => {
      const changes = [change]
      feed.unsafeEmit({ cause: "write", changes, content: live.apply(changes) })
      return Effect.sleep("1 millis")
    })
    yield* until(Effect.map(report, ({ ready }) => ready))
    return yield* use({
      port: Context.get(context, DnsListeners).bound[0]?.port ?? 0,
      live,
      threads: Context.get(context, Workers).threads,
      report,
      change: (...changes) =>
        feed.unsafeEmit({ cause: "write", changes, content: live.apply(changes) })
    })
  }).pipe(Effect.scoped)
}

const until = (condition: Effect.Effect<boolean>) =>
  condition.pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (met) => met }),
    Effect.timeout("20 seconds"),
    Effect.orDie
  )

const query = (name: string) =>
  encode({ type: "query", id: 1, questions: [{ name: `${name}.mesh.test`, type: "TXT" }] })

/** Clients with a port each: the kernel spreads them over the threads. */
const clients = (count: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: count }, () => createSocket("udp4"))),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.close()))
  )

/** What `socket` hears to `message`; nothing within `patience` ms is an empty reply. */
const ask = (socket: Socket, port: number, message: Buffer, patience = 2000) =>
  Effect.async<Buffer>((resume) => {
    const timer = setTimeout(() => resume(Effect.succeed(Buffer.alloc(0))), patience)
    socket.removeAllListeners("message")
    socket.once("message", (reply) => {
      clearTimeout(timer)
      resume(Effect.succeed(reply))
    })
    socket.send(message, port, "127.0.0.1")
  })

const askAll = (sockets: ReadonlyArray<Socket>, port: number, message: Buffer, patience?: number) =>
  Effect.forEach(sockets, (socket) => ask(socket, port, message, patience), {
    concurrency: "unbounded"
  })

/** The values in a reply; `undefined` for none. */
const values = (reply: Buffer | undefined) =>
  reply === undefined || reply.length === 0
    ? undefined
    : (decode(reply).answers ?? []).flatMap((answer) =>
        answer.type === "TXT" ? [String(answer.data)] : []
      )

const total = (threads: Node["threads"]) =>
  threads().reduce((sum, { messages }) => sum + messages, 0)

const counted = (family: string, value: string) =>
  Effect.sync(() => {
    for (const { metricKey, metricState } of Metrics.snapshot())
      if (
        metricKey.name === family &&
        metricKey.tags[0]?.value === value &&
        MetricState.isCounterState(metricState)
      )
        return Number(metricState.count)
    return 0
  })

const received = counted("dmp_dns_messages_total", "udp")

describe("Workers", () => {
  it.live("spread clients over all threads, every answer the same, every message counted", () =>
    withThreads(({ port, threads }) =>
      Effect.gen(function* () {
        const before = yield* received
        const sockets = yield* clients(60)
        const replies = yield* askAll(sockets, port, query("held"))
        assert.deepStrictEqual(new Set(replies.map((reply) => reply.toString("hex"))).size, 1)
        assert.deepStrictEqual(values(replies[0]), ["from the start"])
        yield* until(Effect.map(received, (now) => now - before === 60))
        const shares = threads().map(({ messages }) => messages)
        assert.strictEqual(shares.length, 2)
        // One in three each; fewer than four of sixty is less likely than one in a million.
        for (const share of [...shares, 60 - total(threads)]) assert.isAbove(share, 3)
      }).pipe(Effect.scoped)
    )
  )

  it.live("see a publish, a refresh and a withdrawal, whichever thread is asked", () =>
    withThreads(({ change, port }) =>
      Effect.gen(function* () {
        const sockets = yield* clients(30)
        const allSay = (expected: ReadonlyArray<string>) =>
          askAll(sockets, port, query("new")).pipe(
            Effect.map((replies) =>
              replies.every((reply) => String(values(reply)) === String(expected))
            ),
            Effect.repeat({ until: (same) => same }),
            Effect.timeoutFail({ duration: "1 second", onTimeout: () => `not all ${expected}` })
          )
        change(put("new", "one"))
        yield* allSay(["one"])
        const owner = unsafeMake("new.mesh.test")
        change(put("new", "two"), { _tag: "Remove", owner, value: "one" })
        yield* allSay(["two"])
        change({ _tag: "Remove", owner, value: "two" })
        yield* allSay([])
      }).pipe(Effect.scoped)
    )
  )

  it.live("lose nothing of a zone that changes while they start", () => {
    const names = Array.from({ length: 3000 }, (_, i) => `many${i}`)
    const remove = (name: string): RowChange => ({
      _tag: "Remove",
      owner: unsafeMake(`${name}.mesh.test`),
      value: "old"
    })
    // Some are changed before the threads have asked for them, some while, some after.
    const changed = names.filter((_, i) => i % 5 === 0)
    return withThreads(
      ({ port }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(12)
          for (let i = 0; i < names.length; i += 23) {
            const expected = i % 5 !== 0 ? ["old"] : i % 10 === 0 ? ["old", "new"] : []
            for (const reply of yield* askAll(sockets, port, query(names[i] ?? "")))
              assert.sameMembers([...(values(reply) ?? ["no reply"])], expected, names[i])
          }
        }).pipe(Effect.scoped),
      {},
      names.map((name) => put(name, "old")),
      dnsThreadMain,
      changed.map((name, i) => (i % 2 === 0 ? put(name, "new") : remove(name)))
    )
  })

  it.live("stop answering with a value in the second it ends", () => {
    const ends = Math.floor((performance.timeOrigin + performance.now()) / 1000) + 4
    return withThreads(
      ({ change, port }) =>
        Effect.gen(function* () {
          const now = () => (performance.timeOrigin + performance.now()) / 1000
          const end = Math.max(ends, Math.ceil(now()) + 1)
          change(put("short", "life", end))
          yield* Effect.sleep("10 millis")
          const sockets = yield* clients(12)
          for (const reply of yield* askAll(sockets, port, query("short")))
            assert.deepStrictEqual(values(reply), ["life"])
          yield* Effect.sleep(`${Math.max(0, Math.ceil((end - now()) * 1000)) + 5} millis`)
          for (const reply of yield* askAll(sockets, port, query("short")))
            assert.deepStrictEqual(values(reply), [])
        }).pipe(Effect.scoped),
      {}
    )
  })

  it.live("have what they cannot answer answered by the main thread, once", () =>
    withThreads(
      ({ port, threads }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(20)
          const update = Buffer.from("000128000000000000000000", "hex")
          // More than may wait at once, so that each has to make room for the next.
          for (let round = 0; round < 6; round++)
            for (const reply of yield* askAll(sockets, port, update))
              assert.strictEqual(reply.toString("hex"), "0001a8050000000000000000")
          yield* until(Effect.sync(() => total(threads) > 3))
        }).pipe(Effect.scoped),
      { maxConcurrency: 20 }
    )
  )

  it.live("shed what the main thread has no room for, and go on answering queries", () =>
    withThreads(
      ({ port, threads }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(40)
          const update = Buffer.from("000128000000000000000000", "hex")
          const before = yield* counted("dmp_dns_drops_total", "shed")
          for (let round = 0; round < 5; round++)
            for (const reply of yield* askAll(sockets, port, update, 100))
              assert.strictEqual(reply.length, 0)
          for (const reply of yield* askAll(sockets, port, query("held")))
            assert.deepStrictEqual(values(reply), ["from the start"])
          yield* until(Effect.sync(() => total(threads) > 3))
          // Two on the main thread for good, the rest let go.
          yield* until(
            Effect.map(counted("dmp_dns_drops_total", "shed"), (now) => now - before === 5 * 40 - 2)
          )
        }).pipe(Effect.scoped),
      { maxConcurrency: 2 },
      [],
      dnsThreadMain,
      [],
      { ...refuse, update: () => {} }
    )
  )

  it.live("understand each other's cookies", () =>
    withThreads(
      ({ port }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(24)
          const asking = (cookie: Buffer) =>
            encode({
              type: "query",
              id: 1,
              questions: [{ name: "held.mesh.test", type: "TXT" }],
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
          const [socket] = sockets
          const first =
            socket === undefined ? undefined : yield* ask(socket, port, asking(Buffer.alloc(8, 7)))
          const cookie = first?.subarray(-24) ?? Buffer.alloc(0)
          // Beyond the limit only a good cookie gets answers.
          for (const reply of yield* askAll(sockets, port, asking(cookie)))
            assert.deepStrictEqual(values(reply), ["from the start"])
        }).pipe(Effect.scoped),
      { rate: 0.001, burst: 3 }
    )
  )

  it.live("share the limit: together they let in what one thread would", () =>
    withThreads(
      ({ port }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(90)
          const replies = yield* askAll(sockets, port, query("held"), 700)
          const answered = replies.filter((reply) => (values(reply) ?? []).length > 0)
          assert.strictEqual(answered.length, 12)
        }).pipe(Effect.scoped),
      { rate: 0.001, burst: 12 }
    )
  )

  it.live("are replaced when they end, and clients meanwhile answered by those that are left", () =>
    withThreads(
      ({ port, report, threads }) =>
        Effect.gen(function* () {
          yield* until(Effect.sync(() => threads().every(({ ended }) => ended > 0)))
          assert.include((yield* report).checks["dns-workers"], "threads answer")
          const sockets = yield* clients(10)
          for (const reply of yield* askAll(sockets, port, query("held")))
            assert.deepStrictEqual(values(reply), ["from the start"])
          yield* until(Effect.map(report, ({ ready }) => ready))
        }).pipe(Effect.scoped),
      { workers: 2 },
      [],
      crashing
    )
  )

  it.live("are replaced when they are stuck, though they have not ended", () =>
    withThreads(
      ({ port, report, threads }) =>
        Effect.gen(function* () {
          yield* until(Effect.sync(() => threads().every(({ ended }) => ended > 0)))
          yield* until(Effect.map(report, ({ ready }) => ready))
          const sockets = yield* clients(10)
          for (const reply of yield* askAll(sockets, port, query("held")))
            assert.deepStrictEqual(values(reply), ["from the start"])
        }).pipe(Effect.scoped),
      { workers: 2 },
      [],
      stuck
    )
  )

  it.live("end with the node: the port is free again, and all that was counted is told", () =>
    Effect.gen(function* () {
      const before = yield* received
      const port = yield* withThreads(({ port }) =>
        Effect.gen(function* () {
          const sockets = yield* clients(30)
          yield* askAll(sockets, port, query("held"))
          return port
        }).pipe(Effect.scoped)
      )
      assert.strictEqual((yield* received) - before, 30)
      yield* withThreads((node) => Effect.succeed(assert.strictEqual(node.port, port)), {
        port,
        workers: 1
      })
    })
  )

  it.live("leave the port exclusive: a second node is refused, with or without threads", () =>
    Effect.gen(function* () {
      for (const workers of [1, 2])
        yield* withThreads(
          ({ port }) =>
            Effect.gen(function* () {
              for (const others of [1, 2]) {
                const error = yield* Effect.flip(
                  withThreads(() => Effect.void, { port, workers: others })
                )
                assert.strictEqual(error._tag, "BindFailed")
              }
            }),
          { workers }
        )
    })
  )

  it("add latencies so that bucket counts and sum stay what they were", () => {
    const latencies = {
      buckets: [
        [0.1, 2],
        [0.5, 0],
        [1, 3],
        [Infinity, 1]
      ] as const,
      sum: 0.1 + 2.4 + 3,
      max: 3
    }
    const seconds = DnsTally.observations(latencies)
    assert.strictEqual(seconds.length, 6)
    assert.strictEqual(seconds.filter((it) => it <= 0.1).length, 2)
    assert.strictEqual(seconds.filter((it) => it > 0.5 && it <= 1).length, 3)
    assert.strictEqual(seconds.filter((it) => it > 1).length, 1)
    assert.approximately(
      seconds.reduce((sum, it) => sum + it, 0),
      latencies.sum,
      1e-9
    )
  })
})
