import { mkdtempSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Either, Layer, Option } from "effect"
import { query } from "../../bench/lib/Query.ts"
import * as Notifier from "../../src/dns/Notifier.ts"
import { Responder } from "../../src/dns/Responder.ts"
import { SignedExchange } from "../../src/dns/SignedExchange.ts"
import { SlowPath } from "../../src/dns/SlowPath.ts"
import { Transfer } from "../../src/dns/Transfer.ts"
import { TransferConfig, type TransferConfigShape } from "../../src/dns/TransferConfig.ts"
import { UpdateHandler } from "../../src/dns/UpdateHandler.ts"
import { type as rrType } from "../../src/wire/Codes.ts"
import { type Name, unsafeMake } from "../../src/wire/Name.ts"
import { parse } from "../../src/wire/Message.ts"
import { reply } from "../../src/wire/Reply.ts"
import { frame, TcpFrames } from "../../src/wire/TcpFrames.ts"
import * as Tsig from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { ZoneVersions } from "../../src/zone/ZoneVersions.ts"
import { freePort } from "../fixtures/FreePort.ts"
import { keyName, secondaries, secret, transferKey } from "../fixtures/Secondaries.ts"
import { daemon, eventually, installed, run } from "../fixtures/Tools.ts"
import { port, serverLayer, zoneLayer } from "./DnsFixture.ts"

const key = Either.getOrThrow(Tsig.makeKey(keyName, "hmac-sha256", Buffer.from(secret, "base64")))
const open: TransferConfigShape = { allow: ["127.0.0.0/8"], key: Option.none(), notify: [] }

/** The slow path without credentials and updates. */
const transfers = SlowPath.layer.pipe(
  Layer.provide(Transfer.layer),
  Layer.provide([
    Layer.succeed(SignedExchange, {
      open: (request) => ({
        _tag: "Rejected",
        reply: reply(request.bytes, { rcode: 9 }),
        outcome: "tsig_failed"
      })
    }),
    Layer.succeed(UpdateHandler, {
      handle: (_message, _from, conclude) => conclude({ reply: undefined, outcome: "refused" })
    })
  ]),
  Layer.provide(Responder.layer)
)

/** A node with 2000 names; `use` gets its port. */
const serving = <A, E>(
  config: TransferConfigShape,
  use: (port: number) => Effect.Effect<A, E, AnswerIndex | ChangeFeed | ZoneVersions>
) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const live = new LiveZone(Math.floor(now / 1000))
    live.apply(
      Array.from({ length: 2000 }, (_, i) => put(`n${i}.mesh.test`, `${i}`.padEnd(300, "x")))
    )
    live.apply([put("elsewhere.org", "not ours")])
    return Effect.flatMap(port, use).pipe(
      Effect.provide(
        Layer.merge(serverLayer(transfers), Notifier.layer).pipe(
          Layer.provide(Layer.succeed(TransferConfig, config)),
          Layer.provideMerge(zoneLayer(live))
        )
      )
    )
  })

const put = (owner: string, value: string) => ({
  _tag: "Put" as const,
  row: { owner: unsafeMake(owner), value, ttl: 1, createdAt: 0, expiresAt: 4e9 }
})
const remove = (owner: string, value: string) => ({
  _tag: "Remove" as const,
  owner: unsafeMake(owner) satisfies Name,
  value
})
const change = (...changes: ReadonlyArray<ReturnType<typeof put> | ReturnType<typeof remove>>) =>
  Effect.gen(function* () {
    const live = yield* AnswerIndex
    const feed = yield* ChangeFeed
    feed.unsafeEmit({ cause: "write", changes, content: live.apply(changes) })
  })

const dig = (port: number, ...args: ReadonlyArray<string>) =>
  Effect.map(
    run("dig", [
      "@127.0.0.1",
      "-p",
      String(port),
      "+onesoa",
      "+nocomments",
      "+nostats",
      "+nocmd",
      ...args
    ]),
    ({ stdout }) => stdout.split("\n").filter((line) => line !== "" && !line.startsWith(";"))
  )
/** The first message that comes back over TCP. */
const ask = (port: number, message: Buffer) =>
  Effect.async<Buffer | undefined>((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(frame([message])))
    const frames = new TcpFrames()
    socket.on("data", (chunk) => {
      const [first] = frames.push(chunk)
      if (first !== undefined) resume(Effect.succeed(first))
    })
    socket.once("close", () => resume(Effect.succeed(undefined)))
    return Effect.sync(() => socket.destroy())
  })

const signed = ["-y", transferKey]

describe.skipIf(!installed("dig", "kdig", "nsd", "knotd", "named"))("zone transfer", () => {
  it.live("gives the whole zone to who is allowed, and only what lies in it", () =>
    serving(open, (port) =>
      Effect.gen(function* () {
        const lines = yield* dig(port, "mesh.test", "AXFR")
        assert.strictEqual(lines.filter((line) => line.includes("\tTXT\t")).length, 2000)
        assert.strictEqual(lines.filter((line) => /\tNS\t/.test(line)).length, 1)
        assert.isFalse(lines.some((line) => line.includes("elsewhere")))
      })
    )
  )

  it.live("refuses strangers, unsigned and wrongly signed requests, and unknown zones", () =>
    Effect.gen(function* () {
      const failed = (port: number, ...args: ReadonlyArray<string>) =>
        Effect.map(
          run("dig", ["@127.0.0.1", "-p", String(port), "mesh.test", "AXFR", ...args]),
          ({ stdout }) => /Transfer failed/.test(stdout)
        )
      yield* serving({ ...open, allow: [] }, (port) =>
        Effect.map(failed(port), (it) => assert.isTrue(it))
      )
      yield* serving({ ...open, allow: ["192.0.2.0/24"] }, (port) =>
        Effect.map(failed(port), (it) => assert.isTrue(it))
      )
      yield* serving({ allow: [], key: Option.some(key), notify: [] }, (port) =>
        Effect.gen(function* () {
          assert.isTrue(yield* failed(port))
          assert.isTrue(yield* failed(port, "-y", "hmac-sha256:xfr.mesh.test:AAAA"))
          assert.isTrue(yield* failed(port, "-y", `hmac-sha256:other.mesh.test:${secret}`))
          const lines = yield* dig(port, "mesh.test", "AXFR", ...signed)
          assert.strictEqual(lines.filter((line) => line.includes("\tTXT\t")).length, 2000)
        })
      )
    })
  )

  it.live("wants both, the address and the key, where both are configured", () =>
    Effect.gen(function* () {
      const records = (allow: string, ...args: ReadonlyArray<string>) =>
        serving({ allow: [allow], key: Option.some(key), notify: [] }, (port) =>
          Effect.map(dig(port, "mesh.test", "AXFR", ...args), (lines) => lines.length)
        )
      assert.strictEqual(yield* records("127.0.0.0/8"), 0)
      assert.strictEqual(yield* records("192.0.2.0/24", ...signed), 0)
      assert.isAbove(yield* records("127.0.0.0/8", ...signed), 2000)
    })
  )

  it.live("says by TSIG why a signature does not hold, for a transfer and for the SOA record", () =>
    serving({ allow: [], key: Option.some(key), notify: [] }, (port) =>
      Effect.gen(function* () {
        const error = (bytes: Buffer | undefined) => {
          const answer = Either.getOrThrow(parse(bytes ?? Buffer.alloc(0)))
          return [answer.rcode, Either.getOrThrow(Tsig.find(answer))?.error]
        }
        for (const type of [rrType.AXFR, rrType.IXFR, rrType.SOA]) {
          const question = query("mesh.test", type)
          const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
          const other = Either.getOrThrow(
            Tsig.makeKey(keyName, "hmac-sha256", Buffer.from("another secret"))
          )
          const wrong = sign(question, other, { timeSigned: now }).bytes
          const late = sign(question, key, { timeSigned: now - 1000 }).bytes
          assert.deepStrictEqual(error(yield* ask(port, wrong)), [9, 16])
          assert.deepStrictEqual(error(yield* ask(port, late)), [9, 18])
        }
        const stranger = Either.getOrThrow(
          Tsig.makeKey("other.mesh.test", "hmac-sha256", Buffer.from(secret))
        )
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const unknown = sign(query("mesh.test", rrType.AXFR), stranger, { timeSigned: now }).bytes
        assert.deepStrictEqual(error(yield* ask(port, unknown)), [9, 17])
      })
    )
  )

  it.live("begins a transfer asked for with EDNS with an OPT record, beside the signature", () =>
    serving({ allow: [], key: Option.some(key), notify: [] }, (port) =>
      Effect.gen(function* () {
        const { stdout } = yield* run("kdig", [
          ...["@127.0.0.1", "-p", String(port), ...signed, "+edns", "mesh.test", "AXFR"]
        ])
        assert.strictEqual(stdout.match(/\tTXT\t/g)?.length, 2000)
        const { stdout: dug } = yield* run("dig", [
          ...["@127.0.0.1", "-p", String(port), ...signed, "+edns=0", "+nsid", "mesh.test", "AXFR"]
        ])
        assert.strictEqual(dug.match(/\tTXT\t/g)?.length, 2000)
        assert.notInclude(dug, "Couldn't verify")
      })
    )
  )

  it.live("gives differences since a serial it remembers, and everything otherwise", () =>
    serving(open, (port) =>
      Effect.gen(function* () {
        const versions = yield* ZoneVersions
        const before = yield* versions.close((serial) => serial)
        yield* change(put("new.mesh.test", "fresh"), remove("n1.mesh.test", "1".padEnd(300, "x")))
        const after = yield* versions.close((serial) => serial)
        assert.isAbove(after, before)
        yield* change(put("gone.mesh.test", "x"), remove("gone.mesh.test", "x"))
        assert.strictEqual(yield* versions.close((serial) => serial), after)
        const lines = yield* dig(port, "mesh.test", `IXFR=${before}`)
        assert.deepStrictEqual(
          lines.filter((line) => line.includes("\tTXT\t")).map((line) => line.split(/\s/)[0]),
          ["n1.mesh.test.", "new.mesh.test."]
        )
        const all = yield* dig(port, "mesh.test", "IXFR=1")
        assert.strictEqual(all.filter((line) => line.includes("\tTXT\t")).length, 2000)
        for (const serial of [after, after + 1, after + 1_000_000])
          for (const transport of ["+tcp", "+notcp"]) {
            const none = yield* dig(port, "mesh.test", `IXFR=${serial}`, transport)
            assert.deepStrictEqual(
              none.map((line) => line.split(/\s+/)[3]),
              ["SOA"]
            )
          }
        // Too much for a datagram is the newest SOA record alone: come over TCP (RFC 1995 §2).
        const datagram = yield* dig(port, "mesh.test", `IXFR=${before}`, "+notcp")
        assert.strictEqual(datagram.length, 1)
        assert.include(datagram[0], String(after))
      })
    )
  )

  it.live("shows the zone as it was at one moment, whatever changes meanwhile", () =>
    serving(open, (port) =>
      Effect.gen(function* () {
        const storm = Effect.forEach(
          Array.from({ length: 300 }, (_, i) => i),
          (i) =>
            Effect.zipRight(
              change(
                remove(`n${i}.mesh.test`, `${i}`.padEnd(300, "x")),
                put(`later${i}.mesh.test`, "x")
              ),
              Effect.sleep("1 millis")
            ),
          { discard: true }
        )
        const [lines] = yield* Effect.all([dig(port, "mesh.test", "AXFR"), storm], {
          concurrency: 2
        })
        const names = lines
          .filter((line) => line.includes("\tTXT\t"))
          .map((line) => line.split(/\s/)[0] ?? "")
        assert.strictEqual(names.length, 2000)
        assert.strictEqual(new Set(names).size, 2000)
      })
    )
  )

  for (const { name, prepare, program } of secondaries)
    it.live(
      `${name} as a secondary transfers the zone and follows publishes and expiries by NOTIFY`,
      () => {
        const dir = mkdtempSync(join(tmpdir(), "secondary-"))
        return Effect.flatMap(freePort, (own) =>
          serving(
            { allow: [], key: Option.some(key), notify: [{ address: "127.0.0.1", port: own }] },
            (primary) =>
              Effect.gen(function* () {
                const args = prepare({ own, primary, dir, zone: "mesh.test" })
                const { log } = yield* daemon(program, args)
                const answers = (owner: string) =>
                  Effect.map(
                    run("dig", [
                      "@127.0.0.1",
                      "-p",
                      String(own),
                      "+short",
                      "+tries=1",
                      "+time=1",
                      owner,
                      "TXT"
                    ]),
                    ({ stdout }) =>
                      stdout
                        .trim()
                        .split("\n")
                        .filter((line) => line.startsWith('"')).length
                  )
                yield* eventually(
                  Effect.map(answers("n1999.mesh.test"), (n) => n === 1),
                  15
                ).pipe(Effect.tapDefect(() => Effect.sync(() => console.error(log()))))
                yield* change(put("fresh.mesh.test", "one"), put("fresh.mesh.test", "two"))
                yield* eventually(
                  Effect.map(answers("fresh.mesh.test"), (n) => n === 2),
                  8
                ).pipe(Effect.tapDefect(() => Effect.sync(() => console.error(log()))))
                yield* change(
                  remove("fresh.mesh.test", "one"),
                  remove("n7.mesh.test", "7".padEnd(300, "x"))
                )
                yield* eventually(
                  Effect.map(answers("n7.mesh.test"), (n) => n === 0),
                  8
                )
                assert.strictEqual(yield* answers("fresh.mesh.test"), 1)
              }).pipe(Effect.scoped)
          )
        )
      },
      60_000
    )
})
