import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "dns-packet"
import { Clock } from "effect"
import { ResponderKernel } from "../../src/dns/Responder.ts"
import type { Transport } from "../../src/dns/Exchange.ts"
import { parse, unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { fromConfig } from "../../src/zone/ServedZones.ts"
import { zoneDefaults } from "./DnsFixture.ts"

const live = new LiveZone(0)
live.apply(
  Array.from({ length: 4 }, (_, i) => ({
    _tag: "Put",
    row: {
      owner: unsafeMake("some.mesh.test"),
      value: `${i}`.padEnd(100, "x"),
      ttl: 1,
      createdAt: 0,
      expiresAt: 1e9
    }
  }))
)

let seconds = 1000
const kernel = new ResponderKernel(
  live,
  fromConfig({ ...zoneDefaults, servedZone: parse("mesh.test") }),
  { ...Clock.make(), unsafeCurrentTimeMillis: () => seconds * 1000 },
  () => 1,
  {
    dnsTtl: 60,
    udpPayload: 1232,
    nsid: "ns-a.example",
    version: "1.2.3",
    tcpIdleTimeout: 10,
    cookieSecrets: [Buffer.alloc(16, 7)]
  }
)

interface Option {
  readonly code: number
  readonly data: Buffer
}
interface Asked {
  readonly name?: string
  readonly type?: "TXT" | "A"
  readonly class?: "IN" | "CH"
  readonly options?: ReadonlyArray<Option>
  readonly size?: number
  readonly transport?: Transport
  readonly address?: string
  readonly questions?: 0
  readonly edit?: (query: Buffer) => void
}

const ask = (asked: Asked) => {
  const query = encode({
    type: "query",
    id: 1,
    questions:
      asked.questions === 0
        ? []
        : [
            {
              name: asked.name ?? "some.mesh.test",
              type: asked.type ?? "TXT",
              class: asked.class ?? "IN"
            }
          ],
    ...(asked.options === undefined
      ? {}
      : {
          additionals: [
            {
              type: "OPT",
              name: ".",
              udpPayloadSize: asked.size ?? 1232,
              flags: 0,
              options: asked.options
            } as never
          ]
        })
  })
  asked.edit?.(query)
  const reply = kernel.reply(query, kernel.read(query, asked.address ?? "192.0.2.7"), {
    transport: asked.transport ?? "udp"
  })
  assert.isDefined(reply)
  const packet = decode(reply)
  const opt = packet.additionals?.find((it) => it.type === "OPT")
  const extended = opt?.type === "OPT" ? opt.extendedRcode : 0
  const options = new Map<number, Buffer>(
    opt?.type === "OPT"
      ? opt.options.map((it) => [it.code, "data" in it ? it.data : it] as never)
      : []
  )
  return { reply, packet, rcode: extended * 16 + (reply.readUInt8(3) & 15), options }
}
const nsid: Option = { code: 3, data: Buffer.alloc(0) }
const keepalive: Option = { code: 11, data: Buffer.alloc(0) }
const cookie = (data: Buffer): Option => ({ code: 10, data })
const client = Buffer.from("0102030405060708", "hex")
describe("ReplyEdns", () => {
  it("says who answers to those who ask for it, by NSID or in class CH", () => {
    assert.strictEqual(String(ask({ options: [nsid] }).options.get(3)), "ns-a.example")
    assert.isFalse(ask({ options: [] }).options.has(3))
    for (const name of ["id.server", "HOSTNAME.bind"]) {
      const { packet, rcode } = ask({ name, class: "CH" })
      assert.strictEqual(rcode, 0)
      assert.isTrue(packet.flag_aa)
      assert.deepInclude(packet.answers?.[0], { class: "CH", ttl: 0, type: "TXT" })
      assert.match(
        JSON.stringify(packet.answers),
        new RegExp(JSON.stringify(Buffer.from("ns-a.example").toJSON().data).slice(1, -1))
      )
    }
    assert.strictEqual(ask({ name: "version.bind", class: "CH" }).rcode, 0)
  })

  it("refuses everything else in class CH, and class CH names in IN", () => {
    assert.strictEqual(ask({ name: "some.mesh.test", class: "CH" }).rcode, 5)
    assert.strictEqual(ask({ name: "version.bind", class: "CH", type: "A" }).rcode, 5)
    assert.strictEqual(ask({ name: "version.bind" }).rcode, 5)
    assert.deepStrictEqual(ask({ name: "some.mesh.test", class: "CH" }).packet.answers, [])
  })

  it("names its idle timeout over TCP only", () => {
    assert.strictEqual(
      ask({ options: [keepalive], transport: "tcp" })
        .options.get(11)
        ?.readUInt16BE(),
      100
    )
    assert.isFalse(ask({ options: [keepalive] }).options.has(11))
  })

  it("answers a client's cookie with one that proves its address from then on", () => {
    const given = ask({ options: [cookie(client)] }).options.get(10)
    assert.isDefined(given)
    assert.strictEqual(given.length, 24)
    assert.isTrue(given.subarray(0, 8).equals(client))
    assert.isFalse(kernel.proven)
    assert.isTrue(
      ask({ options: [cookie(given)] })
        .options.get(10)
        ?.equals(given)
    )
    assert.isTrue(kernel.proven)
    ask({ options: [cookie(given)], address: "192.0.2.8" })
    assert.isFalse(kernel.proven)
    seconds += 1801
    const renewed = ask({ options: [cookie(given)] }).options.get(10)
    assert.isTrue(kernel.proven)
    assert.isFalse(renewed?.equals(given))
    ask({})
    assert.isFalse(kernel.proven || kernel.knowsCookies)
  })

  it("answers a query with a wrong cookie, and hands out a right one", () => {
    const { options, packet, rcode } = ask({ options: [cookie(Buffer.alloc(24, 9))] })
    assert.strictEqual(rcode, 0)
    assert.strictEqual(packet.answers?.length, 4)
    ask({ options: [cookie(options.get(10) ?? client)] })
    assert.isTrue(kernel.proven)
  })

  it("takes a cookie alone, and says BADCOOKIE to a wrong one", () => {
    const alone = ask({ questions: 0, options: [cookie(client)] })
    assert.deepInclude(alone.packet, { questions: [], answers: [] })
    assert.strictEqual(alone.rcode, 0)
    const given = alone.options.get(10) ?? client
    assert.strictEqual(given.length, 24)
    assert.strictEqual(ask({ questions: 0, options: [cookie(given)] }).rcode, 0)
    const wrong = ask({ questions: 0, options: [cookie(Buffer.alloc(24, 9))] })
    assert.strictEqual(wrong.rcode, 23)
    assert.strictEqual(wrong.options.get(10)?.length, 24)
    assert.strictEqual(ask({ questions: 0, options: [nsid] }).rcode, 1)
  })

  it("says FORMERR with an OPT record to a cookie of no possible length", () => {
    for (const length of [0, 1, 7, 9, 15, 41]) {
      const { packet, rcode } = ask({ options: [cookie(Buffer.alloc(length))] })
      assert.strictEqual(rcode, 1, `${length}`)
      assert.strictEqual(packet.additionals?.length, 1)
    }
  })

  it("counts its options into the size of an answer", () => {
    for (let size = 512; size < 620; size++) {
      const { reply } = ask({ options: [nsid, cookie(client)], size })
      assert.isAtMost(reply.length, size)
    }
    const needs = ask({ options: [nsid, cookie(client)] }).reply.length
    assert.isTrue(ask({ options: [nsid, cookie(client)], size: needs - 1 }).packet.flag_tc)
    assert.isFalse(ask({ options: [nsid, cookie(client)], size: needs }).packet.flag_tc)
  })

  it("pads over HTTPS when asked to, in whole blocks, and nowhere else", () => {
    const padding = { code: 12, data: Buffer.alloc(5) }
    for (const name of ["some.mesh.test", "none.mesh.test", "example.org"])
      assert.strictEqual(
        ask({ name, options: [padding, nsid], transport: "https" }).reply.length % 468,
        0
      )
    assert.isFalse(ask({ options: [padding] }).options.has(12))
    assert.isFalse(ask({ options: [], transport: "https" }).options.has(12))
  })

  it("says BADVERS with the cookie to a later EDNS, whatever its options look like", () => {
    const { options, rcode } = ask({
      options: [cookie(client)],
      edit: (query) => query.writeUInt8(1, query.length - 12 - 6 + 1)
    })
    assert.strictEqual(rcode, 16)
    assert.strictEqual(options.get(10)?.length, 24)
  })
})
