import { assert, describe, it } from "@effect/vitest"
import { encode } from "dns-packet"
import { FastCheck } from "effect"
import { QueryReader } from "../../src/wire/Query.ts"

const plain = encode({ type: "query", id: 7, questions: [{ type: "TXT", name: "A.Example.org" }] })
const withOpt = encode({
  type: "query",
  id: 7,
  questions: [{ type: "TXT", name: "a.example.org" }],
  additionals: [
    {
      type: "OPT",
      name: ".",
      udpPayloadSize: 4096,
      flags: 0x8000,
      options: [
        { code: 3, data: Buffer.alloc(0) },
        { code: 10, data: Buffer.alloc(8, 1) }
      ]
    } as never
  ]
})
const patched = (message: Buffer, at: number, ...octets: ReadonlyArray<number>): Buffer => {
  const copy = Buffer.from(message)
  octets.forEach((octet, i) => copy.writeUInt8(octet, at + i))
  return copy
}
const reader = new QueryReader()

describe("QueryReader", () => {
  it("reads a plain question in lower case and where its labels start", () => {
    assert.strictEqual(reader.read(plain), "query")
    assert.strictEqual(reader.name.key, "\x01a\x07example\x03org")
    assert.deepStrictEqual([...reader.name.labels.subarray(0, reader.name.labelCount)], [0, 2, 10])
    assert.strictEqual(reader.type, 16)
    assert.strictEqual(reader.udpPayload, 512)
    assert.isFalse(reader.edns)
  })

  it("reads EDNS size, DO, NSID and COOKIE, and forgets them with the next message", () => {
    assert.strictEqual(reader.read(withOpt), "query")
    assert.deepInclude(reader, { edns: true, udpPayload: 4096, dnssecOk: true, wantsNsid: true })
    assert.strictEqual(reader.cookieLength, 8)
    reader.read(plain)
    assert.deepInclude(reader, { edns: false, udpPayload: 512, dnssecOk: false, wantsNsid: false })
    assert.strictEqual(reader.cookieLength, 0)
  })

  const verdicts: ReadonlyArray<readonly [string, Buffer, string]> = [
    ["eleven octets", plain.subarray(0, 11), "drop"],
    ["a response", patched(plain, 2, 0x80), "drop"],
    ["a bare header without a question", Buffer.concat([Buffer.alloc(12)]), "formerr"],
    ["two questions", patched(plain, 4, 0, 2), "formerr"],
    ["opcode IQUERY", patched(plain, 2, 1 << 3), "notimp"],
    ["opcode NOTIFY", patched(plain, 2, 4 << 3), "notimp"],
    ["opcode 15", patched(plain, 2, 15 << 3), "notimp"],
    ["opcode UPDATE", patched(plain, 2, 5 << 3), "update"],
    ["an octet after the last record", Buffer.concat([plain, Buffer.alloc(1)]), "formerr"],
    ["a question cut short", plain.subarray(0, plain.length - 1), "formerr"],
    ["label type 01", patched(plain, 12, 0x41), "formerr"],
    ["a compressed question", patched(plain, 12, 0xc0, 12), "formerr"],
    ["an answer that is announced and missing", patched(plain, 6, 0, 1), "formerr"],
    ["EDNS version 1", patched(withOpt, withOpt.length - 21, 1), "badvers"],
    ["an option longer than its record", patched(withOpt, withOpt.length - 9, 40), "formerr"]
  ]
  for (const [what, message, verdict] of verdicts)
    it(`says ${verdict} to ${what}`, () => assert.strictEqual(reader.read(message), verdict))

  it("refuses a second OPT and an OPT that is not at the root", () => {
    const opt = withOpt.subarray(plain.length)
    const two = patched(Buffer.concat([withOpt, opt]), 10, 0, 2)
    assert.strictEqual(reader.read(two), "formerr")
    const elsewhere = patched(
      Buffer.concat([plain, Buffer.from([0xc0, 12]), opt.subarray(1)]),
      10,
      0,
      1
    )
    assert.strictEqual(reader.read(elsewhere), "formerr")
  })

  it("takes a cookie without a question, and nothing else without one", () => {
    const cookie = Buffer.concat([withOpt.subarray(0, 12), withOpt.subarray(plain.length)])
    assert.strictEqual(reader.read(patched(cookie, 4, 0, 0)), "cookie")
  })

  it("never throws, and never answers a response, whatever arrives", () => {
    const octets = FastCheck.uint8Array({ maxLength: 80 }).map((it) => Buffer.from(it))
    const mutated = FastCheck.tuple(
      FastCheck.constantFrom(plain, withOpt),
      FastCheck.array(FastCheck.tuple(FastCheck.nat(60), FastCheck.nat(255)), { maxLength: 4 })
    ).map(([message, edits]) =>
      edits.reduce((it, [at, octet]) => patched(it, at % it.length, octet), message)
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(octets, mutated), (message) => {
        const verdict = reader.read(message)
        if (message.length < 12 || message.readUInt8(2) >= 0x80) assert.strictEqual(verdict, "drop")
        else assert.notStrictEqual(verdict, "drop")
        assert.isAtMost(reader.questionEnd, Math.max(12, message.length))
      }),
      { numRuns: 5000 }
    )
  })
})
