import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import dgram from "node:dgram"
import net, { type AddressInfo } from "node:net"
import * as Resolver from "../../src/peers/Resolver.ts"
import { parse } from "../../src/peers/SeedList.ts"

interface Behaviour {
  readonly values?: ReadonlyArray<string>
  readonly rcode?: number
  readonly authentic?: boolean
  /** Answers over UDP with TC and nothing else. */
  readonly truncates?: boolean
  /** Sends a forged reply before the real one. */
  readonly forged?: string
}

/** A DNS server on UDP and TCP of one port, and how often it was asked. */
const server = (host: string, behaviour: Behaviour) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const state = { asked: 0, wantsDnssec: false }
      const answer = (
        query: Buffer,
        tcp: boolean,
        changes: { id?: number; values?: ReadonlyArray<string> } = {}
      ) => {
        const { additionals, id = 0, questions = [] } = packet.decode(query)
        state.wantsDnssec = additionals?.some((rr) => rr.type === "OPT" && rr.flag_do) ?? false
        const cut = behaviour.truncates === true && !tcp
        return packet.encode({
          type: "response",
          id: changes.id ?? id,
          flags:
            (behaviour.rcode ?? 0) |
            (behaviour.authentic === true ? packet.AUTHENTIC_DATA : 0) |
            (cut ? packet.TRUNCATED_RESPONSE : 0),
          questions,
          answers: cut
            ? []
            : (changes.values ?? behaviour.values ?? []).map((value) => ({
                name: questions[0]?.name ?? "",
                type: "TXT",
                ttl: 60,
                // As servers send long values: strings of 255 octets.
                data: value.match(/.{1,255}/gs) ?? [""]
              }))
        })
      }
      const tcp = net.createServer((socket) => {
        socket.on("error", () => {})
        socket.on("data", (data) => {
          const reply = answer(data.subarray(2), true)
          const length = Buffer.alloc(2)
          length.writeUInt16BE(reply.length)
          // In two pieces, as a network may.
          socket.write(Buffer.concat([length, reply.subarray(0, 7)]))
          setTimeout(() => socket.write(reply.subarray(7)), 5)
        })
      })
      await new Promise<void>((resolve) => tcp.listen(0, host, resolve))
      const { port } = tcp.address() as AddressInfo
      const udp = dgram.createSocket(host.includes(":") ? "udp6" : "udp4")
      udp.on("message", (query, from) => {
        state.asked++
        if (behaviour.forged !== undefined) {
          const { id = 0 } = packet.decode(query)
          udp.send(
            answer(query, false, { id: id ^ 1, values: [behaviour.forged] }),
            from.port,
            from.address
          )
        }
        udp.send(answer(query, false), from.port, from.address)
      })
      await new Promise<void>((resolve) => udp.bind(port, host, resolve))
      return { host, port, state, tcp, udp }
    }),
    ({ tcp, udp }) =>
      Effect.sync(() => {
        tcp.close()
        udp.close()
      })
  )

describe("Resolver", () => {
  it.scopedLive("joins strings, takes TCP where UDP is not enough, and speaks IPv6", () =>
    Effect.gen(function* () {
      const long = "x".repeat(700)
      for (const host of ["127.0.0.1", "::1"]) {
        const { port } = yield* server(host, { values: [long, "short"], truncates: true })
        const txt = yield* Resolver.over([{ host, port }], { dnssecRequired: false })
        assert.deepStrictEqual(yield* txt("_dnsmesh-seen.a.org"), [long, "short"])
      }
    })
  )

  it.scopedLive("does not take a reply to another question for its own", () =>
    Effect.gen(function* () {
      const upstream = yield* server("127.0.0.1", { values: ["true"], forged: "false" })
      const txt = yield* Resolver.over([upstream], { dnssecRequired: false })
      assert.deepStrictEqual(yield* txt("a.org"), ["true"])
    })
  )

  it.scopedLive(
    "asks the next server when one fails or denies, and that one last for a while",
    () =>
      Effect.gen(function* () {
        const broken = yield* server("127.0.0.1", { rcode: 2 })
        const denying = yield* server("127.0.0.1", { rcode: 3 })
        const good = yield* server("127.0.0.1", { values: ["here"] })
        const txt = yield* Resolver.over([broken, denying, good], { dnssecRequired: false })
        assert.deepStrictEqual(yield* txt("a.org"), ["here"])
        assert.deepStrictEqual(yield* txt("a.org"), ["here"])
        assert.deepStrictEqual(
          [broken.state.asked, denying.state.asked, good.state.asked],
          [1, 1, 2]
        )
      })
  )

  it.scopedLive("believes neither answers nor denials without AD when validation is required", () =>
    Effect.gen(function* () {
      const failure = (behaviour: Behaviour) =>
        Effect.gen(function* () {
          const upstream = yield* server("127.0.0.1", behaviour)
          const txt = yield* Resolver.over([upstream], { dnssecRequired: true })
          const result = yield* Effect.either(txt("a.org"))
          assert.isTrue(upstream.state.wantsDnssec)
          return result._tag
        })
      assert.strictEqual(yield* failure({ values: ["x"] }), "Left")
      assert.strictEqual(yield* failure({ rcode: 3 }), "Left")
      assert.strictEqual(yield* failure({ values: ["x"], authentic: true }), "Right")
      assert.strictEqual(yield* failure({ rcode: 3, authentic: true }), "Right")
    })
  )
})

describe("SeedList", () => {
  const zones = (text: string | Uint8Array) => {
    const parsed = parse(typeof text === "string" ? Buffer.from(text) : text)
    return parsed._tag === "Some" ? parsed.value.map(String) : undefined
  }
  it("reads one zone a line, and comments", () =>
    assert.deepStrictEqual(
      zones("# list\n\na.example.org\r\nB.example.org. # two\na.example.org\n"),
      ["a.example.org", "b.example.org"]
    ))
  it.each([
    ["a page", "<html><body>not found</body></html>"],
    ["nothing", "# empty\n"],
    ["a cut line that is no zone", "a.example.org\nb"],
    ["a name with odd characters", "a.example.org\nb c.example.org"]
  ])("takes %s for no list", (_, text) => assert.isUndefined(zones(text)))
  it("takes octets that are no UTF-8 for no list", () =>
    assert.isUndefined(zones(Uint8Array.of(0x61, 0xff, 0x2e, 0x62))))
})
