/**
 * UPDATE and TSIG against programs that share no code with us: BIND's and Knot's clients
 * write to our handler and check its signatures; BIND's server checks ours.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Runtime } from "effect"
import { createSocket } from "node:dgram"
import { writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import type { TsigKey } from "../../src/auth/TsigKey.ts"
import { SignedExchange } from "../../src/dns/SignedExchange.ts"
import type { Source } from "../../src/dns/UpdateAuthority.ts"
import { UpdateHandler } from "../../src/dns/UpdateHandler.ts"
import { opcode, rcode, type } from "../../src/wire/Codes.ts"
import { parse, readHeader } from "../../src/wire/Message.ts"
import { reply } from "../../src/wire/Reply.ts"
import { algorithms, find } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { verify } from "../../src/wire/TsigVerify.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, installed, run as runTool } from "../fixtures/Tools.ts"
import * as M from "../wire/messages.ts"
import * as H from "./UpdateHarness.ts"

const { zone } = H
const seconds = () => Math.floor(Date.now() / 1000)
const keyFor = (algorithm: string): TsigKey => ({ ...H.loose, algorithm })
const hmac = (key: TsigKey) =>
  [key.algorithm, key.name, Buffer.from(key.secret).toString("base64")].join(":")

/** Exit status and all that was printed. */
const run = (tool: string, args: ReadonlyArray<string>, input = "") =>
  Effect.map(runTool(tool, args, input), ({ status, stderr, stdout }) => ({
    code: status,
    text: stdout + stderr
  }))

/** Our handler on loopback, UDP and TCP on one port; plain queries get an empty NOERROR. */
const serve = Effect.gen(function* () {
  const updates = yield* UpdateHandler
  const exchanges = yield* SignedExchange
  const runFork = Runtime.runFork(yield* Effect.runtime())
  const answer = (message: Buffer, from: Source) =>
    readHeader(message)?.opcode === opcode.UPDATE
      ? Effect.async<Buffer | undefined>((resume) =>
          updates.handle(message, from, (done) => resume(Effect.succeed(done.reply)))
        )
      : Effect.gen(function* () {
          const query = Either.getOrThrow(parse(message))
          const opened = exchanges.open(query)
          const who = Effect.isEffect(opened) ? yield* opened : opened
          if (who._tag === "Rejected") return who.reply
          const plain = reply(message, { rcode: 0, questionsEnd: query.questionsEnd })
          return who._tag === "Verified" ? who.seal(plain) : plain
        })
  const tcp = yield* Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => {
        let got = Buffer.alloc(0)
        socket.on("error", () => socket.destroy())
        socket.on("data", (chunk) => {
          got = Buffer.concat([got, chunk])
          while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
            const message = got.subarray(2, 2 + got.readUInt16BE(0))
            got = got.subarray(2 + message.length)
            runFork(
              Effect.map(answer(message, H.tcp), (sent) => {
                const length = Buffer.alloc(2)
                length.writeUInt16BE(sent?.length ?? 0)
                if (sent !== undefined) socket.write(Buffer.concat([length, sent]))
              })
            )
          }
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket("udp4")
  udp.on("message", (message, peer) => {
    runFork(
      Effect.map(answer(message, H.udp), (sent) => {
        if (sent !== undefined) udp.send(sent, peer.port, peer.address)
      })
    )
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => {
      udp.bind(port, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => udp.close())
  )
  return port
})

const on = <A, E>(
  keys: ReadonlyArray<TsigKey>,
  body: (port: number) => Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof H.layer>>>
) => serve.pipe(Effect.flatMap(body), Effect.scoped, Effect.provide(H.layer({ keys })))

const script = (port: number, ...lines: ReadonlyArray<string>) =>
  [`server 127.0.0.1 ${port}`, `zone ${zone}`, ...lines, "send", ""].join("\n")
const long = Array.from({ length: 3 }, () => `"${"v".repeat(200)}"`).join(" ")

describe.each(["nsupdate", "knsupdate"])("%s", (tool) => {
  const options = { skip: !installed(tool), timeout: 30_000 }
  const key = H.loose

  it.live.each(Object.keys(algorithms))(
    "writes with %s and accepts our signature, over UDP and TCP",
    (algorithm) => {
      const by = keyFor(algorithm)
      return on([by], (port) =>
        Effect.gen(function* () {
          for (const [at, transport] of [[], ["-v"]].entries()) {
            const owner = `t${at}.${zone}`
            const commands = script(
              port,
              `update add ${owner.toUpperCase()}. 300 TXT "hello"`,
              `update add ${owner}. 300 TXT ${long}`
            )
            const ran = yield* run(tool, [...transport, "-y", hmac(by)], commands)
            assert.deepStrictEqual(ran, { code: 0, text: "" })
            assert.sameMembers(Object.keys(yield* H.held(owner)), ["hello", "v".repeat(600)])
          }
        })
      )
    },
    options
  )

  it.live(
    "writes fifty names in one message, and as much as a message over TCP takes",
    () =>
      on([key], (port) =>
        Effect.gen(function* () {
          const update = (count: number, text: string) =>
            run(
              tool,
              ["-v", "-y", hmac(key)],
              script(
                port,
                ...Array.from(
                  { length: count },
                  (_, i) => `update add n${i}.${zone}. 300 TXT "${text}${i}"`
                )
              )
            )
          for (const [count, text] of [
            [50, "batch-"],
            // Some 63,000 octets.
            [250, "v".repeat(230)]
          ] as const) {
            assert.deepStrictEqual(yield* update(count, text), { code: 0, text: "" })
            for (const i of [0, count - 1])
              assert.include(Object.keys(yield* H.held(`n${i}.${zone}`)), `${text}${i}`)
          }
        })
      ),
    options
  )

  it.live(
    "deletes, and has its prerequisites judged",
    () =>
      on([key], (port) =>
        Effect.gen(function* () {
          const update = (...lines: ReadonlyArray<string>) =>
            run(tool, ["-y", hmac(key)], script(port, ...lines))
          yield* update(
            `update add a.${zone}. 300 TXT "one"`,
            `update add a.${zone}. 300 TXT "two"`
          )
          const refused = yield* update(
            `prereq nxrrset a.${zone}. TXT`,
            `update add a.${zone}. 300 TXT "three"`
          )
          assert.match(refused.text, /YXRRSET/)
          assert.strictEqual(
            (yield* update(
              `prereq yxdomain a.${zone}.`,
              `prereq nxdomain b.${zone}.`,
              `update delete a.${zone}. TXT "one"`,
              `update delete absent.${zone}. TXT`
            )).code,
            0
          )
          assert.deepStrictEqual(Object.keys(yield* H.held(`a.${zone}`)), ["two"])
          assert.strictEqual((yield* update(`update delete a.${zone}.`)).code, 0)
          assert.deepStrictEqual(yield* H.held(`a.${zone}`), {})
          assert.match((yield* update(`update add c.${zone}. 300 A 192.0.2.1`)).text, /REFUSED/)
        })
      ),
    options
  )

  it.live(
    "understands why its signature was not accepted",
    () =>
      on([key], (port) =>
        Effect.gen(function* () {
          const commands = script(port, `update add a.${zone}. 300 TXT "x"`)
          const wrong = { ...key, secret: new Uint8Array(32).fill(77) }
          const stranger = { ...key, name: `nobody.${zone}` }
          const by = (as: TsigKey) => run(tool, ["-y", hmac(as)], commands)
          const [badSig, badKey] = [yield* by(wrong), yield* by(stranger)]
          assert.notStrictEqual(badSig.code, 0)
          assert.notStrictEqual(badKey.code, 0)
          assert.match(badSig.text, /BADSIG/)
          assert.match(badKey.text, /BADKEY/)
        })
      ),
    options
  )

  it.live(
    "is refused without a key",
    () =>
      on([key], (port) =>
        Effect.map(run(tool, [], script(port, `update add a.${zone}. 300 TXT "x"`)), (ran) =>
          assert.match(ran.text, /REFUSED/)
        )
      ),
    options
  )
})

describe.each(["dig", "kdig"])("%s", (tool) => {
  const options = { skip: !installed(tool), timeout: 30_000 }
  it.live.each(Object.keys(algorithms))(
    "accepts the signature of an answer made with %s",
    (algorithm) => {
      const by = keyFor(algorithm)
      return on([by], (port) =>
        Effect.gen(function* () {
          for (const transport of ["+notcp", "+tcp"]) {
            const ran = yield* run(tool, [
              "@127.0.0.1",
              ...["-p", String(port), "-y", hmac(by), transport, zone, "TXT"]
            ])
            assert.strictEqual(ran.code, 0)
            assert.match(ran.text, /status: NOERROR/)
            assert.match(ran.text, /TSIG/)
            assert.notMatch(ran.text, /[Cc]ouldn't verify|WARNING|BADSIG|failed/)
          }
          const wrong = { ...by, secret: new Uint8Array(32).fill(77) }
          const ran = yield* run(tool, [
            "@127.0.0.1",
            ...["-p", String(port), "-y", hmac(wrong), zone, "TXT"]
          ])
          assert.match(ran.text, /NOTAUTH|BADSIG/)
        })
      )
    },
    options
  )
})

/** A port nobody has, most likely still so a moment later. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const ask = (port: number, message: Buffer) =>
  Effect.async<Buffer | undefined>((resume) => {
    const socket = createSocket("udp4")
    const give = (answer: Buffer | undefined) => {
      clearTimeout(timer)
      socket.close()
      resume(Effect.succeed(answer))
    }
    const timer = setTimeout(() => give(undefined), 1000)
    socket.on("message", (answer) => give(answer))
    socket.send(message, port, "127.0.0.1")
  })

describe("named", () => {
  it.live(
    "accepts an UPDATE we sign, and we accept what it answers",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const directory = yield* tempDirectory
        const keys = Object.keys(algorithms).map((algorithm) => ({
          ...keyFor(algorithm),
          name: `${algorithm}.${zone}`
        }))
        const clauses = keys.map(
          (key) =>
            `key "${key.name}" { algorithm ${key.algorithm}; secret "${Buffer.from(key.secret).toString("base64")}"; };`
        )
        writeFileSync(
          join(directory, "zone"),
          `$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n`
        )
        writeFileSync(
          join(directory, "named.conf"),
          `${clauses.join("\n")}
options { directory "${directory}"; pid-file none; session-keyfile none; listen-on-v6 { none; };
  listen-on port ${port} { 127.0.0.1; }; recursion no; dnssec-validation no; notify no; };
controls { };
zone "${zone}" { type primary; file "${directory}/zone";
  allow-update { ${keys.map((key) => `key "${key.name}";`).join(" ")} }; };
`
        )
        const { child } = yield* daemon("named", ["-g", "-c", join(directory, "named.conf")])
        const soa = M.message({ questions: [M.question(zone, type.SOA)] })
        let up = false
        for (let tries = 0; tries < 100 && !up; tries++) {
          assert.isNull(child.exitCode, "named ended")
          const answer = yield* ask(port, soa)
          up = answer !== undefined && readHeader(answer)?.rcode === 0
          if (!up) yield* Effect.sleep("50 millis")
        }
        assert.isTrue(up, "named did not come up")

        for (const key of keys) {
          const by = H.wireKey(key)
          const update = M.update(zone, {
            authorities: [M.add(`${key.algorithm}.${zone}`, "v".repeat(600))]
          })
          const exchange = (timeSigned: number) => {
            const signed = sign(update, by, { timeSigned })
            return Effect.map(ask(port, signed.bytes), (octets) => {
              const answer = Either.getOrThrow(parse(octets ?? Buffer.alloc(0)))
              const tsig = Either.getOrThrow(find(answer))
              assert.isDefined(tsig)
              return {
                rcode: answer.rcode,
                error: tsig.error,
                other: tsig.other.length,
                outcome: verify(answer, tsig, by, {
                  now: timeSigned,
                  priorMac: signed.mac
                })._tag
              }
            })
          }
          assert.deepStrictEqual(yield* exchange(seconds()), {
            rcode: rcode.NOERROR,
            error: 0,
            other: 0,
            outcome: "Verified"
          })
          // RFC 8945 §5.2.3: the client can check a BADTIME answer at its own time.
          assert.deepStrictEqual(yield* exchange(seconds() - 4000), {
            rcode: rcode.NOTAUTH,
            error: rcode.BADTIME,
            other: 6,
            outcome: "Verified"
          })
        }
      }).pipe(Effect.scoped),
    { skip: !installed("named"), timeout: 60_000 }
  )
})
