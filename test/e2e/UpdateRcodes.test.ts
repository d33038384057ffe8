/**
 * What every DNS UPDATE is answered with, over UDP and TCP, by the built node; and that programs
 * which share no code with it accept the signatures of its answers.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { flag, rcode, rrClass, type } from "../../src/wire/Codes.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { eventually, installed, run } from "../fixtures/Tools.ts"
import * as M from "../wire/messages.ts"
import { begin, Community, join, shared } from "./Community.ts"
import * as Dns from "./DnsClient.ts"
import { publish } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { zone } = User

const changing = (...authorities: ReadonlyArray<Buffer>) => M.update(zone, { authorities })
const hmac = (key: Key) =>
  [key.algorithm, key.name, Buffer.from(key.secret).toString("base64")].join(":")

const alice = User.person(`alice@${zone}`)
const stranger = User.person(`bob@${zone}`)
/** A name of Alice, whoever holds her key; `note` tells tests apart. */
const named = (note: string) => `${note}.${alice.prekeys}`
const own = named("rows")
const address = Buffer.from([192, 0, 2, 9])
const absent = (asked: Parameters<typeof M.rr>[0]) =>
  M.update(zone, { answers: [M.rr(asked)], authorities: [M.add(own, "v")] })

/** Everything a signed message can be answered with, once its signature holds. */
const signedRows: ReadonlyArray<readonly [what: string, message: Buffer, rcode: string]> = [
  ["an add", changing(M.add(own, "v")), "NOERROR"],
  ["an add with TTL 0", changing(M.add(own, "zero", 0)), "NOERROR"],
  ["nothing", changing(), "NOERROR"],
  ["an absent value's delete", changing(M.deleteValue(own, "none")), "NOERROR"],
  ["an absent RRset's delete", changing(M.deleteRrset(`x.${own}`)), "NOERROR"],
  ["a whole name's delete", changing(M.deleteRrset(`x.${own}`, type.ANY)), "NOERROR"],
  ["no zone", M.message({ flags: M.updateFlags }), "FORMERR"],
  [
    "two zones",
    M.message({
      flags: M.updateFlags,
      questions: [M.question(zone, type.SOA), M.question(zone, type.SOA)]
    }),
    "FORMERR"
  ],
  [
    "a zone of type A",
    M.message({ flags: M.updateFlags, questions: [M.question(zone, type.A)] }),
    "FORMERR"
  ],
  [
    "a zone of class ANY",
    M.message({ flags: M.updateFlags, questions: [M.question(zone, type.SOA, rrClass.ANY)] }),
    "FORMERR"
  ],
  [
    "a foreign zone",
    M.update("other.test", { authorities: [M.add("a.other.test", "v")] }),
    "NOTAUTH"
  ],
  [
    "a zone below",
    M.update(`sub.${zone}`, { authorities: [M.add(`a.sub.${zone}`, "v")] }),
    "NOTAUTH"
  ],
  ["the zone above", M.update("test", { authorities: [M.add(own, "v")] }), "NOTAUTH"],
  ["a name outside", changing(M.add("a.other.test", "v")), "NOTZONE"],
  [
    "an A record outside",
    changing(M.rr({ owner: "a.other.test", type: type.A, rdata: address })),
    "NOTZONE"
  ],
  [
    "a prerequisite outside",
    M.update(zone, { answers: [M.rr({ owner: "other.test", class: rrClass.ANY })] }),
    "NOTZONE"
  ],
  [
    "class CH",
    changing(M.rr({ owner: own, class: rrClass.CH, rdata: Buffer.from([1, 65]) })),
    "FORMERR"
  ],
  [
    "class ANY with rdata",
    changing(M.rr({ owner: own, class: rrClass.ANY, rdata: Buffer.from([1, 65]) })),
    "FORMERR"
  ],
  [
    "class NONE with broken TXT",
    changing(M.rr({ owner: own, class: rrClass.NONE, rdata: Buffer.from([9, 65]) })),
    "FORMERR"
  ],
  ["a prerequisite with a TTL", absent({ owner: own, class: rrClass.ANY, ttl: 1 }), "FORMERR"],
  [
    "a type that is none",
    changing(M.rr({ owner: own, type: type.AXFR, rdata: address })),
    "FORMERR"
  ],
  [
    "text that is not UTF-8",
    changing(M.rr({ owner: own, rdata: Buffer.from([1, 0xff]) })),
    "FORMERR"
  ],
  ["a value above the cap", changing(M.add(own, "v".repeat(2049))), "REFUSED"],
  ["a TTL above the cap", changing(M.add(own, "v", 86_401)), "REFUSED"],
  ["another type", changing(M.rr({ owner: own, type: type.A, rdata: address })), "REFUSED"],
  ["another's name", changing(M.add(stranger.identity, "v")), "REFUSED"],
  [
    "another's name among own ones",
    changing(M.add(own, "half"), M.add(stranger.identity, "v")),
    "REFUSED"
  ],
  ["an operator's name", changing(M.add(`cluster.${zone}`, "v")), "REFUSED"],
  ["the apex", changing(M.add(zone, "v")), "REFUSED"],
  ["a shared name's delete", changing(M.deleteRrset(stranger.slot(1))), "REFUSED"],
  ["a shared value's delete", changing(M.deleteValue(stranger.slot(1), "v")), "REFUSED"],
  [
    "a shared name's delete by type ANY",
    changing(M.deleteRrset(stranger.slot(1), type.ANY)),
    "REFUSED"
  ],
  [
    "garbage that says it is an identity",
    changing(M.add(alice.identity, "v=dmp1;t=identity;d=AAAA")),
    "REFUSED"
  ],
  [
    "a name that must be used and is not",
    absent({ owner: `n.${own}`, type: type.ANY, class: rrClass.ANY }),
    "NXDOMAIN"
  ],
  [
    "a name that must be unused and is not",
    absent({ owner: zone, type: type.ANY, class: rrClass.NONE }),
    "YXDOMAIN"
  ],
  [
    "an RRset that must be there and is not",
    absent({ owner: `n.${own}`, class: rrClass.ANY }),
    "NXRRSET"
  ],
  [
    "an RRset that must not be there and is",
    absent({ owner: zone, type: type.SOA, class: rrClass.NONE }),
    "YXRRSET"
  ],
  ["an OPT of a later version", M.update(zone, { additionals: [M.opt(1232, 1)] }), "NOERROR"]
]

layer(
  Community.layer,
  shared
)((it) => {
  describe("a signed UPDATE", () => {
    it.scoped("gets the rcode of its row over both transports, signed", () =>
      Effect.gen(function* () {
        const { key, node } = yield* Community
        const got: Array<string> = []
        const expected: Array<string> = []
        for (const transport of Dns.transports)
          for (const [what, message, code] of signedRows) {
            const reply = yield* Dns.send(node.dns, message, { key, transport })
            const aa = reply.authoritative ? "AA" : "no AA"
            got.push(`${transport}: ${what}: ${reply.rcode} ${reply.signature} ${aa}`)
            expected.push(`${transport}: ${what}: ${code} Verified AA`)
          }
        assert.deepStrictEqual(got, expected)
        // Nothing of a refused message stays.
        assert.sameMembers([...(yield* Dns.resolve(node.dns, own))], ["v", "zero"])
      })
    )

    it.scoped("whose signature does not hold is NOTAUTH and says why, signed where it can be", () =>
      Effect.gen(function* () {
        const { key, node } = yield* Community
        const message = changing(M.add(named("forged"), "never"))
        const cut = (length: number) => {
          // The MAC's length is at a fixed place from the end: id, error and other are 6 octets.
          const { bytes, mac } = sign(message, key, { timeSigned: Dns.seconds() })
          const at = bytes.length - 6 - mac.length
          const short = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(-6)])
          short.writeUInt16BE(length, at - 2)
          const rdata = at - 2 - 8 - 13
          short.writeUInt16BE(short.readUInt16BE(rdata - 2) - (mac.length - length), rdata - 2)
          return { mac: mac.subarray(0, length), octets: short }
        }
        for (const transport of Dns.transports) {
          const with_ = (over: Partial<Key>, at?: number) =>
            Dns.send(node.dns, message, {
              key: { ...key, ...over },
              transport,
              ...(at === undefined ? {} : { at })
            })
          const badKey = { rcode: "NOTAUTH", tsigError: rcode.BADKEY }
          assert.deepInclude(yield* with_({ name: `nobody.${zone}` }), badKey)
          assert.deepInclude(yield* with_({ algorithm: "hmac-sha512" }), badKey)
          assert.deepInclude(yield* with_({ secret: Buffer.alloc(32, 9) }), {
            rcode: "NOTAUTH",
            tsigError: rcode.BADSIG
          })
          for (const off of [-301, 301, -4000])
            assert.deepInclude(yield* with_({}, Dns.seconds() + off + Math.sign(off)), {
              rcode: "NOTAUTH",
              tsigError: rcode.BADTIME,
              // Signed over the client's own time, which is as wrong in the answer.
              signature: "BadTime"
            })
          const { mac, octets } = cut(16)
          const reply = Dns.read(yield* Dns.exchange(node.dns, octets, transport), key, mac)
          assert.deepInclude(reply, { rcode: "NOTAUTH", tsigError: rcode.BADTRUNC })
          const tooShort = yield* Dns.exchange(node.dns, cut(8).octets, transport)
          assert.strictEqual(Dns.read(tooShort).rcode, "FORMERR")
        }
        assert.deepStrictEqual(yield* Dns.resolve(node.dns, named("forged")), [])
      })
    )

    it.scoped("meets the same caps as HTTP, and waits when its key has sent too many", () =>
      Effect.gen(function* () {
        const { key, node } = yield* begin({
          DMP_MAX_VALUES_PER_NAME: "2",
          DMP_MAX_TTL: "600",
          DMP_TSIG_RATE: "0.001",
          DMP_TSIG_BURST: "12"
        })
        for (const transport of Dns.transports) {
          const name = `${transport}.${own}`
          const send = (...changes: ReadonlyArray<Buffer>) =>
            Effect.map(
              Dns.send(node.dns, changing(...changes), { key, transport }),
              (reply) => reply.rcode
            )
          assert.strictEqual(yield* send(M.add(name, "1"), M.add(name, "2")), "NOERROR")
          assert.strictEqual(yield* send(M.add(name, "3")), "REFUSED")
          assert.strictEqual(yield* send(M.add(name, "1", 600)), "NOERROR")
          assert.strictEqual(yield* send(M.add(name, "1", 601)), "REFUSED")
          assert.strictEqual(yield* send(M.deleteValue(name, "2"), M.add(name, "3")), "NOERROR")
          assert.sameMembers([...(yield* Dns.resolve(node.dns, name))], ["1", "3"])
        }
        const full = yield* publish(node, `udp.${own}`, "4", 60, User.operatorToken)
        assert.deepInclude(full, { status: 413 })

        // Ten are sent. What waits is told so in its own name, and others wait for nothing.
        const rcodes: Array<string> = []
        for (let n = 0; n < 4; n++) {
          const reply = yield* Dns.send(node.dns, changing(M.deleteRrset(`udp.${own}`)), { key })
          assert.strictEqual(reply.signature, "Verified")
          rcodes.push(reply.rcode)
        }
        assert.deepStrictEqual(rcodes, ["NOERROR", "NOERROR", "SERVFAIL", "SERVFAIL"])
        const dora = yield* join(node, "dora")
        const theirs = changing(M.add(`note.${dora.user.prekeys}`, "v"))
        const reply = yield* Dns.send(node.dns, theirs, { key: dora.key })
        assert.strictEqual(reply.rcode, "NOERROR")
      })
    )

    it.scoped("is done once, however often the same octets come", () =>
      Effect.gen(function* () {
        const { key, node } = yield* Community
        for (const transport of Dns.transports) {
          const name = named(`${transport}-again`)
          const { bytes, mac } = sign(changing(M.add(name, "again")), key, {
            timeSigned: Dns.seconds()
          })
          const repeat = Effect.map(Dns.exchange(node.dns, bytes, transport), (octets) =>
            Dns.read(octets, key, mac)
          )
          const done = { rcode: "NOERROR", signature: "Verified" }
          assert.deepInclude(yield* repeat, done)
          yield* Dns.send(node.dns, changing(M.deleteRrset(name)), { key, transport })
          assert.deepInclude(yield* repeat, done)
          assert.deepStrictEqual(yield* Dns.resolve(node.dns, name), [])
        }
      })
    )

    it.scoped.skipIf(!installed("prlimit"))(
      "is SERVFAIL while the disk takes nothing, and may then come again",
      () =>
        Effect.gen(function* () {
          const { key, node } = yield* Community
          const files = (limit: string) =>
            run("prlimit", ["--pid", String(node.child.pid), `--fsize=${limit}:unlimited`])
          for (const transport of Dns.transports) {
            const name = `${transport}.${own}`
            const { bytes, mac } = sign(changing(M.add(name, "v"), M.add(name, "w")), key, {
              timeSigned: Dns.seconds()
            })
            const attempt = Effect.map(Dns.exchange(node.dns, bytes, transport), (octets) =>
              Dns.read(octets, key, mac)
            )
            assert.strictEqual((yield* files("1")).status, 0)
            assert.deepInclude(yield* attempt, { rcode: "SERVFAIL", signature: "Verified" })
            assert.deepStrictEqual(yield* Dns.resolve(node.dns, name), [])
            yield* files("unlimited")
            // The very same octets: a failure of ours is not held against them.
            yield* eventually(Effect.map(attempt, (reply) => reply.rcode === "NOERROR"))
            assert.sameMembers([...(yield* Dns.resolve(node.dns, name))], ["v", "w"])
          }
        })
    )
  })

  describe("an unsigned UPDATE", () => {
    it.scoped("gets its rcode, unsigned", () =>
      Effect.gen(function* () {
        const { node } = yield* Community
        const broken = Buffer.concat([changing(M.add(named("unsigned"), "v")), Buffer.from([0])])
        const response = changing(M.add(named("unsigned"), "v"))
        response.writeUInt16BE(M.updateFlags | flag.QR, 2)
        const rows: ReadonlyArray<readonly [string, Buffer, string]> = [
          ["an add", changing(M.add(named("unsigned"), "v")), "REFUSED"],
          ["a delete", changing(M.deleteRrset(named("unsigned"))), "REFUSED"],
          ["nothing", changing(), "REFUSED"],
          [
            "a probe",
            M.update("127.0.0.1", { authorities: [M.add("_dmp-probe.127.0.0.1", "v")] }),
            "NOTAUTH"
          ],
          ["a name outside", changing(M.add("a.other.test", "v")), "NOTZONE"],
          ["an octet too many", broken, "FORMERR"],
          ["half a message", changing(M.add(named("unsigned"), "v")).subarray(0, 30), "FORMERR"],
          ["half a header", changing().subarray(0, 11), "silence"],
          ["an answer", response, "silence"]
        ]
        for (const transport of Dns.transports)
          for (const [what, message, code] of rows) {
            // Numbering would need a whole header.
            const octets = yield* Dns.exchange(
              node.dns,
              message,
              transport,
              code === "silence" ? Dns.silence : undefined
            )
            assert.deepInclude(
              Dns.read(octets),
              { rcode: code, signature: "none" },
              `${transport}: ${what}`
            )
          }
        assert.deepStrictEqual(yield* Dns.resolve(node.dns, named("unsigned")), [])
      })
    )
  })

  describe("other programs", () => {
    const scripts: ReadonlyArray<
      readonly [what: string, lines: ReadonlyArray<string>, RegExp | ""]
    > = [
      ["an add", [`update add ${own}. 300 TXT "v"`], ""],
      ["a delete", [`update delete ${own}. TXT "v"`], ""],
      ["a whole name's delete", [`update delete ${own}.`], ""],
      ["another's name", [`update add ${stranger.identity}. 300 TXT "v"`], /REFUSED/],
      ["another type", [`update add ${own}. 300 A 192.0.2.9`], /REFUSED/],
      [
        "a name in use",
        [`prereq yxdomain n.${own}.`, `update add ${own}. 300 TXT "v"`],
        /NXDOMAIN/
      ],
      [
        "a name not in use",
        [`prereq nxdomain ${zone}.`, `update add ${own}. 300 TXT "v"`],
        /YXDOMAIN/
      ],
      ["an RRset", [`prereq yxrrset n.${own}. TXT`, `update add ${own}. 300 TXT "v"`], /NXRRSET/],
      ["no RRset", [`prereq nxrrset ${zone}. SOA`, `update add ${own}. 300 TXT "v"`], /YXRRSET/]
    ]

    it.scoped.each(["nsupdate", "knsupdate"].filter((tool) => installed(tool)))(
      "%s accepts every signed answer, and tells what it says",
      (tool) =>
        Effect.gen(function* () {
          const { key, node } = yield* Community
          const update = (by: Key, transport: string, at: string, lines: ReadonlyArray<string>) =>
            run(
              tool,
              [...(transport === "tcp" ? ["-v"] : []), "-y", hmac(by)],
              [`server 127.0.0.1 ${node.dns}`, `zone ${at}`, ...lines, "send", ""].join("\n")
            )
          for (const transport of Dns.transports) {
            for (const [what, lines, says] of scripts) {
              const { status, stderr, stdout } = yield* update(key, transport, zone, lines)
              const said = stdout + stderr
              assert.notMatch(said, /BADSIG|BADKEY|BADTIME|verif|tsig error|timed out/i, what)
              if (says === "") assert.deepInclude({ said, status }, { said: "", status: 0 }, what)
              else assert.match(said, says, what)
            }
            const add = [`update add ${own}. 300 TXT "v"`]
            const foreign = yield* update(key, transport, "other.test", [
              `update add a.other.test. 300 TXT "v"`
            ])
            assert.match(foreign.stdout + foreign.stderr, /NOTAUTH/)
            assert.notMatch(foreign.stdout + foreign.stderr, /BAD|verify/)
            const wrong = yield* update({ ...key, secret: Buffer.alloc(32) }, transport, zone, add)
            assert.match(wrong.stdout + wrong.stderr, /BADSIG/)
            const nobody = yield* update({ ...key, name: `nobody.${zone}` }, transport, zone, add)
            assert.match(nobody.stdout + nobody.stderr, /BADKEY/)
          }
        })
    )

    it.scoped.skipIf(!installed("dig"))("dig accepts a signed FORMERR, and a signed answer", () =>
      Effect.gen(function* () {
        const { key, node } = yield* Community
        for (const transport of [[], ["+tcp"]]) {
          const dig = (...args: ReadonlyArray<string>) =>
            Effect.map(
              run("dig", [
                ...["-p", String(node.dns), "@127.0.0.1", "+tries=1", "-y", hmac(key)],
                ...transport,
                ...args
              ]),
              ({ stdout }) => stdout
            )
          const formerr = yield* dig("+opcode=UPDATE", zone, "A")
          assert.match(formerr, /opcode: UPDATE, status: FORMERR/)
          const empty = yield* dig("+opcode=UPDATE", zone, "SOA")
          assert.match(empty, /opcode: UPDATE, status: NOERROR/)
          const answer = yield* dig(own, "TXT")
          for (const said of [formerr, empty, answer]) {
            assert.match(said, /TSIG PSEUDOSECTION/)
            assert.match(said, /hmac-sha256\. .* NOERROR 0/)
            assert.notMatch(said, /Couldn't verify|WARNING -- Some TSIG/)
          }
        }
      })
    )
  })
})
