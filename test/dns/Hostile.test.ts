/**
 * A network that means harm: damaged messages and noise through the whole way of a message,
 * floods from forged addresses, connections that do nothing. `DNSMESH_FUZZ` and
 * `DNSMESH_IDLE` ask for more of it than an ordinary run has time for.
 */
import { spawnSync } from "node:child_process"
import { createSocket } from "node:dgram"
import { connect, type Socket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { encode } from "dns-packet"
import { Effect, Layer, Logger, Option } from "effect"
import type { Exchange } from "../../src/dns/Exchange.ts"
import { Pipeline, type PipelineShape } from "../../src/dns/Pipeline.ts"
import { Responder } from "../../src/dns/Responder.ts"
import { SlowPath } from "../../src/dns/SlowPath.ts"
import { Transfer } from "../../src/dns/Transfer.ts"
import { TransferConfig } from "../../src/dns/TransferConfig.ts"
import { frame } from "../../src/wire/TcpFrames.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { ZoneVersions } from "../../src/zone/ZoneVersions.ts"
import * as Ask from "../conformance/Ask.ts"
import { random } from "../conformance/Corpus.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"
import { mutated, seeds, signedAfterwards } from "./Mutation.ts"
import * as H from "./UpdateHarness.ts"

const packets = Number(process.env["DNSMESH_FUZZ"] ?? 200_000)
const idle = Number(process.env["DNSMESH_IDLE"] ?? 2000)
const limit = 1232

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void
const heap = () => {
  collect()
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

const records = [
  { owner: "one.mesh.test", value: "v=dmp1;t=x" },
  ...Array.from({ length: 30 }, (_, i) => ({
    owner: "many.mesh.test",
    value: `${i}`.padEnd(240, "m")
  }))
]
const query = (name = "one.mesh.test") =>
  encode({ type: "query", id: 7, questions: [{ name, type: "TXT" }] })

/** The way of a message as the node has it, without sockets; `use` also gets what was logged. */
const pipeline = <A>(
  env: Readonly<Record<string, string>>,
  use: (pipeline: PipelineShape, logged: ReadonlyArray<string>) => Effect.Effect<A>
) => {
  const logged: Array<string> = []
  const capture = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      if (logLevel.ordinal >= 40_000) logged.push(String(message))
    })
  )
  return Effect.gen(function* () {
    const live = yield* AnswerIndex
    live.apply(
      records.map(({ owner, value }) => ({
        _tag: "Put",
        row: { owner: unsafeMake(owner), value, ttl: 1, createdAt: 0, expiresAt: 4e9 }
      }))
    )
    return yield* Effect.flatMap(Pipeline, (it) => use(it, logged)).pipe(
      Effect.provide(
        Pipeline.layer.pipe(
          Layer.provide(SlowPath.layer),
          Layer.provide(Transfer.layer),
          Layer.provide(Responder.layer),
          Layer.provide(ZoneVersions.layer),
          Layer.provide(RecordStore.layerMemory),
          Layer.provide(
            Layer.succeed(TransferConfig, {
              allow: ["127.0.0.0/8"],
              key: Option.none(),
              notify: []
            })
          )
        )
      )
    )
  }).pipe(Effect.provide(Layer.merge(H.layer({ env }), capture)))
}

class Heard implements Exchange {
  readonly transport
  readonly address
  readonly writable = Effect.void
  readonly replies: Array<Buffer> = []
  finished = 0
  constructor(transport: Exchange["transport"], address: string) {
    this.transport = transport
    this.address = address
  }
  send(reply: Buffer) {
    this.replies.push(reply)
  }
  refuse() {}
  done() {
    this.finished++
  }
}

describe("a hostile network", () => {
  it.live(
    `${packets} damaged messages: no defect, no answer to a response, nothing too large`,
    () =>
      pipeline(
        {
          DMP_DNS_RATE: "0",
          DMP_DNS_MAX_CONCURRENCY: "1000",
          DMP_CLAIM_RATE_PER_USER_PER_SEC: "0",
          DMP_TSIG_RATE: "0"
        },
        (pipeline, logged) =>
          Effect.gen(function* () {
            const now = Math.floor(Date.now() / 1000)
            const all = seeds(now)
            const rng = random(Number(process.env["DNSMESH_SEED"] ?? 4711))
            const rcodes = new Map<string, number>()
            let before = 0
            for (let sent = 0; sent < packets;) {
              const batch: Array<readonly [Buffer, Heard]> = []
              for (let i = 0; i < 500; i++, sent++) {
                const damaged = mutated(rng, all)
                const message = rng.chance(20) ? signedAfterwards(damaged, now) : damaged
                const heard = new Heard(
                  rng.chance(80) ? "udp" : rng.chance(50) ? "tcp" : "https",
                  rng.pick(["192.0.2.1", "2001:db8::1", "2001:db8:1:2:3:4:5:6"])
                )
                pipeline.accept(message, heard)
                batch.push([message, heard])
              }
              yield* Effect.sleep(0).pipe(Effect.repeat({ while: () => pipeline.inFlight() > 0 }))
              for (const [message, { finished, replies, transport }] of batch) {
                const fail = (what: string) =>
                  assert.fail(`${what}: ${transport} ${message.toString("hex").slice(0, 400)}`)
                if (finished !== 1) fail(`done ${finished} times`)
                const response = message.length < 12 || message.readUInt8(2) >= 0x80
                if (response && replies.length > 0) fail("answered what is no request")
                if (!response && replies.length === 0) fail("left a request without an answer")
                if (transport !== "tcp" && replies.length > 1) fail("answered twice")
                for (const reply of replies) {
                  if (transport === "udp" && reply.length > limit) fail(`${reply.length} octets`)
                  if (reply.readUInt16BE(0) !== message.readUInt16BE(0)) fail("another ID")
                  if (reply.readUInt8(2) >> 3 !== ((message.readUInt8(2) >> 3) | 16))
                    fail("another opcode, or no response")
                  const rcode = `${reply.readUInt8(3) & 15}`
                  rcodes.set(rcode, (rcodes.get(rcode) ?? 0) + 1)
                }
              }
              if (sent === Math.floor(packets / 4 / 500) * 500) before = heap()
            }
            assert.deepStrictEqual(logged, [])
            // Every kind of verdict was reached, or the mutations are no test.
            for (const rcode of ["0", "1", "3", "4", "5", "9"])
              assert.isAbove(rcodes.get(rcode) ?? 0, 20, `rcode ${rcode}`)
            assert.isUndefined(rcodes.get("2"))
            assert.isBelow(heap() - before, 24, "MiB more than after the first quarter")
          })
      ),
    600_000
  )

  it.live("a flood from forged addresses takes bounded memory and starves nobody else", () =>
    pipeline({ DMP_DNS_RATE: "1", DMP_DNS_BURST: "2" }, (pipeline) =>
      Effect.sync(() => {
        const rng = random(3)
        const message = query()
        const flood = (n: number) => {
          let octets = 0
          for (let i = 0; i < n; i++) {
            const from = rng.chance(50)
              ? `${rng.below(256)}.${rng.below(256)}.${rng.below(256)}.${rng.below(256)}`
              : `2001:db8:${rng.below(65_536).toString(16)}:${rng.below(65_536).toString(16)}::1`
            const heard = new Heard("udp", from)
            pipeline.accept(message, heard)
            for (const reply of heard.replies) octets += reply.length
          }
          return octets
        }
        flood(50_000)
        const before = heap()
        flood(150_000)
        assert.isBelow(heap() - before, 8, "MiB more after thrice as many addresses")
        const honest = new Heard("udp", "198.51.100.9")
        pipeline.accept(message, honest)
        assert.strictEqual(honest.replies.length, 1)
        assert.isAbove(honest.replies[0]?.readUInt16BE(6) ?? 0, 0)
      })
    )
  )

  it.live("one forged address gets no more octets out of the node than it put in", () =>
    pipeline({ DMP_DNS_RATE: "1", DMP_DNS_BURST: "5" }, (pipeline) =>
      Effect.sync(() => {
        let sent = 0
        let got = 0
        for (let i = 0; i < 20_000; i++) {
          const heard = new Heard("udp", "198.51.100.1")
          const message = query("many.mesh.test")
          pipeline.accept(message, heard)
          sent += message.length
          for (const reply of heard.replies) got += reply.length
        }
        assert.isBelow(got, sent)
      })
    )
  )

  it.scopedLive(
    "100000 damaged datagrams and a thousand damaged streams leave the listeners as they were",
    () =>
      Effect.gen(function* () {
        const node = yield* WholeNode.start({
          DMP_DNS_UPDATE_ENABLED: "1",
          DMP_DNS_MAX_TCP_PER_SOURCE: "2000"
        })
        yield* node.hold(records)
        const all = seeds(Math.floor(Date.now() / 1000))
        const rng = random(5)
        const largest = yield* Effect.async<number>((resume) => {
          const socket = createSocket({ type: "udp4", lookup: (a, _o, done) => done(null, a, 4) })
          let sent = 0
          let most = 0
          socket.on("message", (reply) => void (most = Math.max(most, reply.length)))
          const burst = () => {
            for (let i = 0; i < 100 && sent < 100_000; i++, sent++)
              socket.send(mutated(rng, all).subarray(0, 9000), node.dns, "127.0.0.1")
            if (sent < 100_000) setImmediate(burst)
            else setTimeout(() => socket.close(() => resume(Effect.succeed(most))), 300)
          }
          burst()
        })
        assert.isAbove(largest, 100)
        assert.isAtMost(largest, limit)
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          (i) =>
            Effect.async<void>((resume) => {
              const socket = connect(node.dns, "127.0.0.1", () => {
                const messages = Array.from({ length: 5 }, () => mutated(rng, all))
                const bytes =
                  i % 3 === 0
                    ? Buffer.concat(messages)
                    : frame(messages.filter((it) => it.length > 0))
                socket.end(i % 3 === 1 ? bytes.subarray(0, rng.below(bytes.length)) : bytes)
              })
              socket.resume()
              socket.setTimeout(2000, () => socket.destroy())
              socket.on("error", () => socket.destroy())
              socket.on("close", () => resume(Effect.void))
            }),
          { concurrency: 50, discard: true }
        )
        for (const ask of [Ask.overUdp, Ask.overTcp]) {
          const [reply] = yield* ask(node.dns, [query()])
          assert.strictEqual(reply?.readUInt16BE(6), 1)
        }
      }),
    60_000
  )

  it.scopedLive(
    `${idle} idle connections cost little and keep nobody out`,
    () =>
      Effect.gen(function* () {
        const descriptors = Number(spawnSync("sh", ["-c", "ulimit -n"]).stdout.toString())
        // Both ends are ours.
        const count = Math.min(idle, Math.floor((descriptors - 500) / 2))
        if (count < idle)
          console.error(`REDUCED to ${count} connections by ulimit -n ${descriptors}`)
        const node = yield* WholeNode.start({
          DMP_DNS_MAX_TCP_CONNECTIONS: "100000",
          DMP_DNS_MAX_TCP_PER_SOURCE: "100000",
          DMP_DNS_TCP_IDLE_TIMEOUT: "20"
        })
        yield* node.hold(records)
        const before = process.memoryUsage().rss
        const sockets = yield* Effect.acquireRelease(
          Effect.forEach(
            Array.from({ length: count }),
            () =>
              Effect.async<Socket>((resume) => {
                const socket = connect(node.dns, "127.0.0.1", () => resume(Effect.succeed(socket)))
                socket.on("error", () => socket.destroy())
              }),
            { concurrency: 100 }
          ),
          (all) => Effect.sync(() => all.forEach((socket) => socket.destroy()))
        )
        const perConnection = (process.memoryUsage().rss - before) / count
        assert.isBelow(perConnection, 32 * 1024, "octets a connection, both ends")
        assert.isTrue(sockets.every((socket) => !socket.destroyed))
        const began = performance.now()
        for (const ask of [Ask.overUdp, Ask.overTcp]) {
          const replies = yield* ask(
            node.dns,
            Array.from({ length: 200 }, () => query())
          )
          assert.isTrue(replies.every((reply) => reply?.readUInt16BE(6) === 1))
        }
        assert.isBelow(performance.now() - began, 2000)
      }),
    60_000
  )
})
