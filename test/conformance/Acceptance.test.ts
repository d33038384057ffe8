/**
 * The interop acceptance list: the whole node, asked and written to by programs that share no
 * code with it.
 */
import { createSocket } from "node:dgram"
import { writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { encode } from "dns-packet"
import { Effect } from "effect"
import type { TsigKey } from "../../src/auth/TsigKey.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import { frame } from "../../src/wire/TcpFrames.ts"
import * as Samples from "../dmp/samples.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { installed, run } from "../fixtures/Tools.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"
import * as Ask from "./Ask.ts"

const zone = "mesh.test"
const mailbox = "mb-0123456789ab"
const key: TsigKey = {
  name: `writer.${zone}`,
  algorithm: "hmac-sha256",
  secret: new Uint8Array(32).fill(5),
  allowedSuffixes: [`id-aaaaaaaaaaaaaaaa.${zone}`],
  createdAt: 0,
  expiresAt: 0,
  revoked: false,
  subject: "",
  registeredSpk: "",
  registeredX25519Pub: ""
}
const secret = Buffer.from(key.secret).toString("base64")
const signed = ["-y", `hmac-sha256:${key.name}:${secret}`]
const own = `id-aaaaaaaaaaaaaaaa.${zone}`

const started = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const file = join(yield* tempDirectory, "zone")
    writeFileSync(
      file,
      `@ NS ns1\n@ NS ns2.example.net.\n@ MX 10 mail\n@ CAA 0 issue "ca.example"\n@ TXT "at the apex"\n`
    )
    const node = yield* WholeNode.start(
      {
        DMP_ZONE_FILE: file,
        DMP_DNS_APEX_AAAA: "::1",
        DMP_DNS_UPDATE_ENABLED: "1",
        ...environment
      },
      [key]
    )
    yield* node.hold([
      { owner: `one.${zone}`, value: "v=dmp1;t=x" },
      { owner: `slot-3.${mailbox}.${zone}`, value: "v=dmp1;t=y" },
      ...Array.from({ length: 20 }, (_, i) => ({
        owner: `many.${zone}`,
        value: `${i}`.padEnd(240, "m")
      }))
    ])
    const dig = (...args: ReadonlyArray<string>) =>
      Effect.map(
        run("dig", [
          "@127.0.0.1",
          ...["-p", String(node.dns), "+norec", "+tries=1", "+time=2"],
          ...args
        ]),
        ({ stdout }) => ({
          text: stdout,
          status: /status: (\w+)/.exec(stdout)?.[1],
          flags: /;; flags: ([a-z ]*);/.exec(stdout)?.[1] ?? "",
          answers: (/ANSWER SECTION:\n([^]*?)\n\n/.exec(stdout)?.[1] ?? "")
            .split("\n")
            .filter((line) => line !== "")
        })
      )
    const nsupdate = (args: ReadonlyArray<string>, ...commands: ReadonlyArray<string>) =>
      Effect.map(
        run(
          "nsupdate",
          ["-t", "3", "-r", "0", ...args],
          [`server 127.0.0.1 ${node.dns}`, `zone ${zone}`, ...commands, "send", ""].join("\n")
        ),
        ({ status, stderr, stdout }) => {
          const text = stdout + stderr
          return status === 0 ? "NOERROR" : (/update failed: (\S+)/.exec(text)?.[1] ?? text)
        }
      )
    return { node, dig, nsupdate }
  })

const values = (lines: ReadonlyArray<string>, type: string) =>
  lines.flatMap((line) => new RegExp(`\\sIN\\s+${type}\\s+(.*)$`).exec(line)?.[1] ?? []).sort()

describe.skipIf(!installed("dig", "nsupdate"))("acceptance: reading", () => {
  it.scopedLive("the apex has SOA, NS, A, AAAA, TXT, MX and CAA", () =>
    Effect.gen(function* () {
      const { dig } = yield* started()
      const expected = {
        NS: [`ns1.${zone}.`, "ns2.example.net."],
        A: ["127.0.0.1"],
        AAAA: ["::1"],
        TXT: ['"at the apex"'],
        MX: [`10 mail.${zone}.`],
        CAA: ['0 issue "ca.example"']
      }
      for (const [type, all] of Object.entries(expected))
        assert.deepStrictEqual(values((yield* dig(zone, type)).answers, type), all)
      assert.strictEqual((yield* dig(zone, "SOA")).answers.length, 1)
      assert.match((yield* dig(zone, "NS")).text, /ADDITIONAL SECTION:\nns1\.mesh\.test\.\s/)
      assert.deepStrictEqual(values((yield* dig(`ns1.${zone}`, "A")).answers, "A"), ["127.0.0.1"])
    })
  )

  it.scopedLive("any spelling is found and comes back as spelled", () =>
    Effect.gen(function* () {
      const { text } = yield* (yield* started()).dig("OnE.mEsH.tEsT", "TXT")
      assert.match(text, /^;OnE\.mEsH\.tEsT\.\s+IN\s+TXT$/m)
      assert.match(text, /^OnE\.mEsH\.tEsT\.\s+60\s+IN\s+TXT\s+"v=dmp1;t=x"$/m)
    })
  )

  it.scopedLive("missing names, empty non-terminals and other types carry the SOA", () =>
    Effect.gen(function* () {
      const { dig } = yield* started()
      for (const [name, type, status] of [
        [`none.${zone}`, "TXT", "NXDOMAIN"],
        [`${mailbox}.${zone}`, "TXT", "NOERROR"],
        [`one.${zone}`, "A", "NOERROR"],
        [zone, "DS", "NOERROR"],
        [`none.${zone}`, "A", "NOERROR"]
      ] as const) {
        const reply = yield* dig(name, type)
        assert.strictEqual(reply.status, status, name)
        assert.include(reply.flags, "aa")
        assert.match(reply.text, /AUTHORITY SECTION:\nmesh\.test\.\s+30\s+IN\s+SOA/)
      }
      assert.strictEqual((yield* dig("example.org", "TXT")).status, "REFUSED")
    })
  )

  it.scopedLive("a long RRset is cut over UDP and whole over TCP, whatever EDNS says", () =>
    Effect.gen(function* () {
      const { dig } = yield* started()
      const many = `many.${zone}`
      for (const size of ["+noedns", "+bufsize=512", "+bufsize=1232", "+bufsize=4096"]) {
        const cut = yield* dig(many, "TXT", size, "+ignore")
        assert.include(cut.flags, "tc")
        assert.strictEqual(cut.answers.length, 0)
        const direct = yield* dig(many, "TXT", size, "+tcp")
        assert.strictEqual(direct.answers.length, 20)
        const retried = yield* dig(many, "TXT", size)
        assert.match(retried.text, /Truncated, retrying in TCP/)
        assert.strictEqual(retried.answers.length, 20)
      }
    })
  )

  it.scopedLive("a query gets one datagram", () =>
    Effect.gen(function* () {
      const { node } = yield* started()
      const got = yield* Effect.async<number>((resume) => {
        const socket = createSocket("udp4")
        let count = 0
        socket.on("message", () => count++)
        for (const name of [`one.${zone}`, `none.${zone}`, `many.${zone}`, "example.org"])
          socket.send(
            encode({ type: "query", questions: [{ name, type: "TXT" }] }),
            node.dns,
            "127.0.0.1"
          )
        socket.send(Buffer.from([1, 2, 3]), node.dns, "127.0.0.1")
        setTimeout(() => socket.close(() => resume(Effect.succeed(count))), 300)
      })
      assert.strictEqual(got, 4)
    })
  )

  it.scopedLive("five idle connections do not stop UDP at a concurrency of two", () =>
    Effect.gen(function* () {
      const { node } = yield* started({ DMP_DNS_MAX_CONCURRENCY: "2" })
      const idle: ReadonlyArray<Socket> = Array.from({ length: 5 }, () =>
        connect(node.dns, "127.0.0.1")
      )
      yield* Effect.sleep("50 millis")
      const [reply] = yield* Ask.overUdp(node.dns, [
        encode({ type: "query", questions: [{ name: `one.${zone}`, type: "TXT" }] })
      ])
      idle.forEach((socket) => socket.destroy())
      assert.strictEqual(reply?.readUInt16BE(6), 1)
    })
  )

  it.scopedLive(
    "at a burst of one the retry over TCP succeeds, and a second TCP query is closed",
    () =>
      Effect.gen(function* () {
        const { dig, node } = yield* started({ DMP_DNS_RATE: "0.001", DMP_DNS_BURST: "1" })
        assert.strictEqual((yield* dig(`many.${zone}`, "TXT", "+nocookie")).answers.length, 20)
        const heard = yield* Effect.async<number>((resume) => {
          const socket = connect(node.dns, "127.0.0.1")
          let octets = 0
          socket.on("data", (chunk: Buffer) => (octets += chunk.length))
          socket.on("error", () => socket.destroy())
          socket.on("close", () => resume(Effect.succeed(octets)))
          socket.write(
            frame([encode({ type: "query", questions: [{ name: `one.${zone}`, type: "TXT" }] })])
          )
        })
        assert.strictEqual(heard, 0)
      })
  )

  it.scopedLive.skipIf(!installed("kdig", "drill", "delv", "dnsperf"))(
    "kdig, drill, delv and dnsperf over TCP are served",
    () =>
      Effect.gen(function* () {
        const { node } = yield* started({ DMP_DNS_NSID: "ns-a" })
        const port = String(node.dns)
        const kdig = yield* run("kdig", [
          ...["@127.0.0.1", "-p", port, "+tcp", "+keepopen", "+cookie", "+nsid", "+padding"],
          ...[`many.${zone}`, "TXT", zone, "SOA"]
        ])
        assert.notMatch(kdig.stdout + kdig.stderr, /;; (WARNING|ERROR)/)
        assert.match(kdig.stdout, /ANSWER: 20/)
        assert.match(kdig.stdout, /NSID: .*"ns-a"/)
        const drill = yield* run("drill", ["-t", "-p", port, "@127.0.0.1", `many.${zone}`, "TXT"])
        assert.match(drill.stdout, /rcode: NOERROR/)
        assert.match(drill.stdout, /ANSWER: 20/)
        const delv = yield* run("delv", [...["@127.0.0.1", "-p", port, "-i", `one.${zone}`, "TXT"]])
        assert.match(delv.stdout, /"v=dmp1;t=x"/, delv.stdout + delv.stderr)
        const queries = join(yield* tempDirectory, "queries")
        writeFileSync(queries, `one.${zone} TXT\nmany.${zone} TXT\nnone.${zone} TXT\n${zone} SOA\n`)
        const dnsperf = yield* run("dnsperf", [
          ...["-m", "tcp", "-s", "127.0.0.1", "-p", port, "-d", queries, "-l", "2", "-c", "4", "-e"]
        ])
        assert.match(dnsperf.stdout, /Queries lost:\s+0 /)
        assert.isAbove(Number(/Queries completed:\s+(\d+)/.exec(dnsperf.stdout)?.[1]), 2000)
        assert.match(dnsperf.stdout, /Response codes:\s+NOERROR \d+ \(75\.\d+%\), NXDOMAIN/)
      })
  )
})

describe.skipIf(!installed("dig", "nsupdate"))("acceptance: writing", () => {
  it.scopedLive("the probe of clients is refused, with updates on and off", () =>
    Effect.gen(function* () {
      const probe = `update add _dmp-probe.${zone} 60 TXT "v=dmp1;t=probe"`
      for (const enabled of ["0", "1"]) {
        const { nsupdate } = yield* started({ DMP_DNS_UPDATE_ENABLED: enabled })
        assert.include(["REFUSED", "NOTAUTH"], yield* nsupdate([], probe))
      }
    })
  )

  it.scopedLive("a signed record comes and goes", () =>
    Effect.gen(function* () {
      const { dig, nsupdate } = yield* started()
      const name = `${own.toUpperCase()}`
      assert.strictEqual(yield* nsupdate(signed, `update add ${name} 300 TXT "a" "b"`), "NOERROR")
      assert.strictEqual(yield* nsupdate(signed, `update add ${name} 300 TXT "c"`), "NOERROR")
      const both = yield* dig(own, "TXT")
      assert.deepStrictEqual(values(both.answers, "TXT"), ['"ab"', '"c"'])
      assert.strictEqual(yield* nsupdate(signed, `update delete ${name} TXT "ab"`), "NOERROR")
      assert.strictEqual(yield* nsupdate(signed, `update delete ${name} TXT "ab"`), "NOERROR")
      assert.deepStrictEqual(values((yield* dig(own, "TXT")).answers, "TXT"), ['"c"'])
    })
  )

  it.scopedLive(
    "what may not be written is refused in the right words, and nothing of it kept",
    () =>
      Effect.gen(function* () {
        const { dig, nsupdate } = yield* started()
        const add = (owner: string, value = "x", ttl = 300) =>
          `update add ${owner} ${ttl} TXT ${(value.match(/.{1,255}/g) ?? []).map((it) => `"${it}"`).join(" ")}`
        const other = Buffer.alloc(32, 6).toString("base64")
        const cases: ReadonlyArray<
          readonly [string, ReadonlyArray<string>, RegExp, ...Array<string>]
        > = [
          ["wrong secret", ["-y", `hmac-sha256:${key.name}:${other}`], /^NOTAUTH/, add(own)],
          ["unknown key", ["-y", `hmac-sha256:no.${zone}:${secret}`], /^NOTAUTH/, add(own)],
          ["out of the zone", signed, /^NOTZONE/, add("x.example.org")],
          ["out of scope", signed, /^REFUSED/, add(`one.${zone}`)],
          ["mixed", signed, /^REFUSED/, add(own), add(`one.${zone}`)],
          ["value too long", signed, /^REFUSED/, add(own, "x".repeat(2049))],
          ["TTL too long", signed, /^REFUSED/, add(own, "x", 86_401)],
          [
            "too many",
            signed,
            /^REFUSED/,
            ...Array.from({ length: 65 }, (_, i) => add(own, `${i}`))
          ],
          ["unsigned", [], /^REFUSED/, add(own)]
        ]
        for (const [what, args, expected, ...commands] of cases)
          assert.match(yield* nsupdate(args, ...commands), expected, what)
        assert.deepStrictEqual((yield* dig(own, "TXT")).answers, [])
        assert.strictEqual((yield* dig(`one.${zone}`, "TXT")).answers.length, 1)
      })
  )

  it.scopedLive(
    "unsigned claims are taken where the node provides for them, whole and in measure",
    () =>
      Effect.gen(function* () {
        const now = Math.floor(Date.now() / 1000)
        const claim = (msg: number, lasts = 300) =>
          Samples.accepted(
            Claim.sign(
              {
                msgId: new Uint8Array(16).fill(msg),
                senderSpk: Samples.spk,
                senderDomain: "sender.test",
                slot: 3,
                ts: now,
                exp: now + lasts
              },
              Samples.seed
            )
          )
        const add = (value: string) => `update add claim-3.${mailbox}.${zone} 300 TXT "${value}"`
        // Over TCP, where no address is forged.
        const tcp = ["-v"]
        const provider = yield* started({ DMP_CLAIM_RATE_BURST: "2" })
        assert.strictEqual(yield* provider.nsupdate(tcp, add(claim(1))), "NOERROR")
        assert.strictEqual(yield* provider.nsupdate(tcp, add(claim(2, 86_400 * 2))), "REFUSED")
        const forged = claim(3).replace(/(.{20})$/, (end) => end.split("").reverse().join(""))
        assert.include(["REFUSED", "FORMERR"], yield* provider.nsupdate(tcp, add(forged)))
        assert.strictEqual(yield* provider.nsupdate(tcp, add(claim(4))), "NOERROR")
        assert.strictEqual(yield* provider.nsupdate(tcp, add(claim(5))), "SERVFAIL")
        const found = yield* provider.dig(`claim-3.${mailbox}.${zone}`, "TXT")
        assert.strictEqual(found.answers.length, 2)
        const off = yield* started({ DMP_CLAIM_PROVIDER: "0" })
        assert.strictEqual(yield* off.nsupdate(tcp, add(claim(1))), "REFUSED")
      })
  )
})
