import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { rrClass, type } from "../../src/wire/Codes.ts"
import { findOpt, parse, readHeader } from "../../src/wire/Message.ts"
import { nameOctets, readName, WireError } from "../../src/wire/WireName.ts"
import * as M from "./messages.ts"

const reasonOf = (bytes: Buffer) =>
  Either.match(parse(bytes), { onLeft: (error) => error.reason, onRight: () => "accepted" })

const query = (sections: M.Sections = {}) =>
  M.message({ questions: [M.question("Mesh.Example.ORG", type.TXT)], ...sections })

describe("a DNS message", () => {
  it("is read section by section with lower-cased names", () => {
    const bytes = query({
      id: 7,
      answers: [M.add("A.mesh.example.org", "one", 60)],
      additionals: [M.opt(1232)]
    })
    const read = Either.getOrThrow(parse(bytes))
    assert.strictEqual(read.id, 7)
    assert.deepStrictEqual(read.questions, [
      { name: "mesh.example.org", type: type.TXT, class: rrClass.IN }
    ])
    assert.strictEqual(read.answers[0]?.name, "a.mesh.example.org")
    assert.strictEqual(read.answers[0]?.ttl, 60)
    assert.strictEqual(read.additionals[0]?.type, type.OPT)
    assert.strictEqual(read.questionsEnd, 12 + 18 + 4)
  })

  it("follows a compression pointer backwards", () => {
    const owner = Buffer.from([1, 0x61, 0xc0, 12])
    const record = Buffer.concat([owner, M.rr({ owner: "" }).subarray(1)])
    const read = Either.getOrThrow(parse(query({ answers: [record] })))
    assert.strictEqual(read.answers[0]?.name, "a.mesh.example.org")
  })

  it.each([
    ["a pointer to itself", [0xc0, 34]],
    ["a pointer forwards", [0xc0, 40]],
    ["a pointer into the header", [0xc0, 4]],
    ["a reserved label type", [0x40, 0]],
    ["an extended label type", [0x80, 0]]
  ])("is refused for %s", (_, owner) => {
    const record = Buffer.concat([Buffer.from(owner), M.rr({ owner: "" }).subarray(1)])
    assert.notStrictEqual(reasonOf(query({ answers: [record] })), "accepted")
  })

  it("is refused when two pointers chase each other", () => {
    const bytes = Buffer.concat([Buffer.alloc(12), Buffer.from([0xc0, 14, 0xc0, 12])])
    assert.instanceOf(readName(bytes, 12), WireError)
    assert.instanceOf(readName(bytes, 14), WireError)
  })

  it("is refused when a name grows past 255 octets through pointers", () => {
    const label = Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 0x61)])
    const bytes = Buffer.concat([
      Buffer.alloc(12),
      ...[label, label, label, label, Buffer.from([0])]
    ])
    assert.instanceOf(readName(bytes, 12), WireError)
    const fitting = Buffer.concat([Buffer.alloc(12), label, label, label, Buffer.from([0])])
    assert.strictEqual((readName(fitting, 12) as { end: number }).end, 12 + 193)
  })

  it("is refused for octets after the last counted record", () => {
    assert.strictEqual(
      reasonOf(Buffer.concat([query(), Buffer.from([0])])),
      "octets after the last record"
    )
  })

  it("is refused at once when its counts could not fit", () => {
    const bytes = query()
    bytes.writeUInt16BE(0xffff, 6)
    assert.strictEqual(reasonOf(bytes), "counts exceed the message")
  })

  it("keeps names apart whose labels hold dots, escapes or octets of any kind", () => {
    const dotted = Buffer.concat([
      Buffer.alloc(12),
      Buffer.from([3, 0x61, 0x2e, 0x62, 1, 0xff, 1, 0x5c, 0])
    ])
    const read = readName(dotted, 12)
    assert.notInstanceOf(read, WireError)
    if (read instanceof WireError) return
    assert.strictEqual(read.text, "a\\046b.\\255.\\092")
    assert.deepStrictEqual(
      Either.getOrThrow(nameOctets(read.text)),
      Buffer.from([3, 0x61, 0x2e, 0x62, 1, 0xff, 1, 0x5c, 0])
    )
  })

  it("may have one OPT record, at the root, among the additional records", () => {
    const found = (bytes: Buffer) => findOpt(Either.getOrThrow(parse(bytes)))
    assert.isTrue(Either.isRight(found(query({ additionals: [M.opt(1232)] }))))
    assert.isTrue(Either.isLeft(found(query({ additionals: [M.opt(1232), M.opt(512)] }))))
    assert.isTrue(Either.isLeft(found(query({ answers: [M.opt(1232)] }))))
    assert.isTrue(
      Either.isLeft(found(query({ additionals: [M.rr({ owner: "a", type: type.OPT })] })))
    )
  })

  it.prop(
    "never throws, whatever the octets",
    [FastCheck.uint8Array({ maxLength: 600 })],
    ([b]) => {
      const bytes = Buffer.from(b)
      parse(bytes)
      readHeader(bytes)
      return true
    }
  )

  it.prop(
    "never throws on a valid message with octets changed and a tail cut",
    [
      FastCheck.array(FastCheck.tuple(FastCheck.nat(200), FastCheck.nat(255)), { maxLength: 6 }),
      FastCheck.nat(120)
    ],
    ([changes, cut]) => {
      const whole = query({
        answers: [M.add("a.mesh.example.org", "one")],
        additionals: [M.opt(1)]
      })
      const bytes = Buffer.from(whole.subarray(0, Math.max(0, whole.length - (cut % whole.length))))
      for (const [at, octet] of changes) if (at < bytes.length) bytes[at] = octet
      parse(bytes)
      return true
    }
  )
})

describe("recorded client traffic", () => {
  const recorded: ReadonlyArray<string> = JSON.parse(
    readFileSync(join(import.meta.dirname, "../fixtures/tsig-updates.json"), "utf8")
  ).exchanges.flatMap((one: { request: string; response: string }) => [one.request, one.response])
  it("is accepted in full", () => {
    assert.isAbove(recorded.length, 20)
    for (const hex of recorded) assert.strictEqual(reasonOf(Buffer.from(hex, "hex")), "accepted")
  })
})
