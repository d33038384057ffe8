import { assert, describe, it } from "@effect/vitest"
import { decode, encode, type Packet } from "dns-packet"
import { Clock, Option } from "effect"
import { ResponderKernel } from "../../src/dns/Responder.ts"
import { parse, unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { fromConfig } from "../../src/zone/ServedZones.ts"

const zones = fromConfig({
  servedZone: parse("mesh.test"),
  zones: [unsafeMake("mesh.test")],
  claimProviderZone: Option.none(),
  clusterBaseDomain: Option.none(),
  dnsTtl: 60,
  negativeTtl: 30,
  apexA: ["192.0.2.1", "192.0.2.2"],
  apexAaaa: ["2001:db8::1"],
  apexNs: [unsafeMake("ns1.mesh.test"), unsafeMake("ns2.example.net")],
  soaRname: parse("admin.mesh.test"),
  nodeHostname: Option.none(),
  cleanupInterval: 60
})

const live = new LiveZone(0)
const hold = (name: string, value: string, expiresAt = 1e6) =>
  live.apply([
    { _tag: "Put", row: { owner: unsafeMake(name), value, ttl: 1, createdAt: 0, expiresAt } }
  ])
hold("one.mesh.test", "v=dmp1;t=x")
hold("short.mesh.test", "ends soon", 7)
hold("long.mesh.test", "x".repeat(600))
hold("empty.mesh.test", "")
for (let i = 0; i < 20; i++) hold("many.mesh.test", `${i}-`.padEnd(240, "m"))
for (let i = 0; i < 40; i++) hold("huge.mesh.test", `${i}-`.padEnd(2000, "h"))

const clock = { ...Clock.make(), unsafeCurrentTimeMillis: () => 0 }
const kernel = new ResponderKernel(live, zones, clock, () => 4711, { dnsTtl: 60, udpPayload: 1232 })

const ask = (
  packet: Packet,
  transport: "udp" | "tcp" = "udp",
  edit: (message: Buffer) => void = () => {}
) => {
  const query = encode({ type: "query", id: 4242, ...packet })
  edit(query)
  const reply = kernel.reply(query, kernel.read(query, "192.0.2.99"), { transport })
  assert.isDefined(reply)
  return { size: reply.length, octets: reply, ...decode(reply) }
}
const question = (name: string, type: "TXT" | "A" | "AAAA" | "SOA" | "NS" | "ANY" = "TXT") => ({
  questions: [{ name, type: type as "TXT" }]
})
const edns = (udpPayloadSize: number, ednsVersion = 0, flags = 0) =>
  ({
    additionals: [{ type: "OPT", name: ".", udpPayloadSize, ednsVersion, flags }]
  }) as unknown as Packet
const rcodeOf = (reply: { octets: Buffer }) => reply.octets.readUInt8(3) & 15
const strings = (reply: ReturnType<typeof ask>) =>
  reply.answers?.map((it) => it.type === "TXT" && [it.data].flat().map(String).join(""))

describe("Responder", () => {
  it("answers TXT with AA, the client's ID and spelling, and nothing but the RRset", () => {
    const reply = ask(question("One.MESH.test"))
    assert.deepInclude(reply, { id: 4242, flag_aa: true, flag_tc: false, flag_ra: false })
    assert.strictEqual(reply.questions?.[0]?.name, "One.MESH.test")
    assert.strictEqual(reply.answers?.[0]?.name, "One.MESH.test")
    assert.deepStrictEqual(strings(reply), ["v=dmp1;t=x"])
    assert.deepStrictEqual([reply.authorities, reply.additionals], [[], []])
  })

  it("cuts a value into strings of 255 octets, and an empty one into one empty string", () => {
    const [long] = ask(question("long.mesh.test"), "tcp").answers ?? []
    assert.deepStrictEqual(
      long?.type === "TXT" && [long.data].flat().map((part) => Buffer.from(part).length),
      [255, 255, 90]
    )
    assert.deepStrictEqual(strings(ask(question("empty.mesh.test"))), [""])
  })

  it("advertises at most what is left of a life", () => {
    assert.deepInclude(ask(question("short.mesh.test")).answers?.[0], { ttl: 7 })
    assert.deepInclude(ask(question("one.mesh.test")).answers?.[0], { ttl: 60 })
  })

  it("copies RD and DO, and speaks EDNS only to those who do", () => {
    const reply = ask({ flags: 0x0100, ...question("one.mesh.test"), ...edns(4096, 0, 0x8000) })
    assert.isTrue(reply.flag_rd)
    assert.deepInclude(reply.additionals?.[0], { type: "OPT", udpPayloadSize: 1232, flag_do: true })
  })

  const udp: ReadonlyArray<readonly [string, Packet, boolean]> = [
    ["without EDNS", question("many.mesh.test"), true],
    ["with 4096 octets offered", { ...question("many.mesh.test"), ...edns(4096) }, true],
    ["600 octets without EDNS", question("long.mesh.test"), true],
    ["600 octets with 1232 offered", { ...question("long.mesh.test"), ...edns(1232) }, false],
    ["600 octets with 100 offered", { ...question("long.mesh.test"), ...edns(100) }, true]
  ]
  for (const [what, packet, cut] of udp)
    it(`over UDP, ${what}: ${cut ? "TC and no records" : "whole"}`, () => {
      const reply = ask(packet)
      assert.deepInclude(reply, { flag_tc: cut, flag_aa: true })
      assert.strictEqual(reply.answers?.length, cut ? 0 : 1)
      assert.isAtMost(reply.size, 1232)
    })

  it("over TCP gives the whole RRset, whatever EDNS size the client names", () => {
    for (const packet of [
      question("many.mesh.test"),
      { ...question("many.mesh.test"), ...edns(512) }
    ])
      assert.deepInclude(ask(packet, "tcp"), { flag_tc: false })
    assert.strictEqual(
      ask({ ...question("many.mesh.test"), ...edns(512) }, "tcp").answers?.length,
      20
    )
  })

  it("gives as many of the newest values as fit where an old database holds too much", () => {
    const reply = ask(question("huge.mesh.test"), "tcp")
    assert.deepInclude(reply, { flag_tc: false })
    assert.isAtMost(reply.size, 65_535)
    const got = strings(reply) ?? []
    assert.isAbove(got.length, 25)
    assert.isTrue(String(got[0]).startsWith("39-"))
  })

  it("begins an RRset at another value each time", () => {
    const firsts = new Set(
      Array.from({ length: 20 }, () => strings(ask(question("many.mesh.test"), "tcp"))?.[0])
    )
    assert.strictEqual(firsts.size, 20)
  })

  it("says NXDOMAIN and NODATA with the SOA and the negative TTL", () => {
    for (const [name, rcode] of [
      ["none.mesh.test", 3],
      ["mesh.test", 0]
    ] as const) {
      const reply = ask(question(name))
      assert.strictEqual(rcodeOf(reply), rcode)
      const [soa] = reply.authorities ?? []
      assert.deepInclude(soa, { type: "SOA", name: "mesh.test", ttl: 30 })
      assert.deepInclude(soa?.type === "SOA" ? soa.data : {}, {
        mname: "ns1.mesh.test",
        rname: "admin.mesh.test",
        serial: 4711,
        minimum: 30
      })
    }
  })

  it("serves SOA, NS with glue for servers in the zone, and addresses at the apex", () => {
    assert.strictEqual(ask(question("mesh.test", "SOA")).answers?.[0]?.type, "SOA")
    const ns = ask({ ...question("mesh.test", "NS"), ...edns(1232) })
    assert.strictEqual(ns.answers?.length, 2)
    assert.deepStrictEqual(
      ns.additionals?.map((it) => `${it.name} ${it.type}`),
      ["ns1.mesh.test A", "ns1.mesh.test A", "ns1.mesh.test AAAA", ". OPT"]
    )
    assert.strictEqual(ask(question("ns1.mesh.test", "AAAA")).answers?.length, 1)
  })

  it("refuses names outside its zones without AA, and says why to EDNS clients", () => {
    const reply = ask({ ...question("example.org"), ...edns(1232) })
    assert.strictEqual(rcodeOf(reply), 5)
    assert.isFalse(reply.flag_aa)
    const [opt] = reply.additionals ?? []
    assert.deepInclude(opt?.type === "OPT" ? opt.options[0] : {}, { code: 15 })
  })

  it("answers ANY with the TXT RRset or a HINFO, never with everything", () => {
    assert.deepStrictEqual(
      ask(question("one.mesh.test", "ANY")).answers?.map((it) => it.type),
      ["TXT"]
    )
    assert.deepStrictEqual(
      ask(question("mesh.test", "ANY")).answers?.map((it) => it.type),
      ["HINFO"]
    )
    assert.strictEqual(rcodeOf(ask(question("none.mesh.test", "ANY"))), 3)
  })

  it("knows class IN only", () => {
    const reply = ask(question("one.mesh.test"), "udp", (query) =>
      query.writeUInt16BE(3, query.length - 2)
    )
    assert.strictEqual(rcodeOf(reply), 5)
    assert.deepStrictEqual(reply.answers, [])
  })

  it("answers malformed messages with their header alone", () => {
    const reply = ask(question("one.mesh.test"), "udp", (query) => query.writeUInt16BE(2, 4))
    assert.strictEqual(rcodeOf(reply), 1)
    assert.strictEqual(reply.size, 12)
    assert.strictEqual(
      rcodeOf(ask(question("x"), "udp", (query) => query.writeUInt8(2 << 3, 2))),
      4
    )
  })

  it("says BADVERS to a newer EDNS in the OPT record's upper bits", () => {
    const reply = ask({ ...question("one.mesh.test"), ...edns(1232, 1) })
    assert.strictEqual(rcodeOf(reply), 0)
    assert.deepInclude(reply.additionals?.[0], { extendedRcode: 1, ednsVersion: 0 })
  })

  it("leaves every answer as it was while others are made, whatever size they have", () => {
    const names = ["one", "short", "long", "empty", "many", "huge", "none"]
    const given = Array.from({ length: 500 }, (_, i) => {
      const name = `${names[i % names.length]}.mesh.test`
      const type = i % 3 === 0 ? ("ANY" as const) : ("TXT" as const)
      const transport = i % 2 === 0 ? "udp" : "tcp"
      const { octets } = ask({ ...question(name, type), ...edns(512 + i) }, transport)
      return { octets, copy: Buffer.from(octets) }
    })
    for (const { copy, octets } of given) assert.isTrue(octets.equals(copy))
  })
})
