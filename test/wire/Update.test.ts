import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { rrClass, type } from "../../src/wire/Codes.ts"
import { parse } from "../../src/wire/Message.ts"
import { decodeTxt, encodeTxt } from "../../src/wire/TxtData.ts"
import { prescan } from "../../src/wire/Update.ts"
import * as M from "./messages.ts"

const zone = "mesh.example.org"
const owner = `a.${zone}`
const read = (bytes: Buffer) => prescan(Either.getOrThrow(parse(bytes)))
const rcodeOf = (sections: M.Sections) =>
  Either.match(read(M.update(zone, sections)), {
    onLeft: (refusal) => refusal.rcode,
    onRight: () => "NOERROR"
  })

describe("an UPDATE", () => {
  it("is read as typed prerequisites and changes", () => {
    const update = Either.getOrThrow(
      read(
        M.update("MESH.Example.org", {
          answers: [
            M.rr({ owner, type: type.ANY, class: rrClass.ANY }),
            M.rr({ owner, type: type.ANY, class: rrClass.NONE }),
            M.rr({ owner, class: rrClass.ANY }),
            M.rr({ owner, class: rrClass.NONE }),
            M.rr({ owner, rdata: encodeTxt("x") }),
            M.rr({ owner, type: type.A, rdata: Buffer.from([1, 2, 3, 4]) })
          ],
          authorities: [
            M.add(`A.${zone}`, "v".repeat(600), 60),
            M.deleteValue(owner, "old"),
            M.deleteRrset(owner),
            M.deleteRrset(owner, type.ANY),
            M.rr({ owner, type: type.A, class: rrClass.NONE, rdata: Buffer.from([1, 2, 3, 4]) })
          ]
        })
      )
    )
    assert.strictEqual(update.zone, zone)
    assert.deepStrictEqual(update.prerequisites, [
      { _tag: "NameInUse", name: owner },
      { _tag: "NameNotInUse", name: owner },
      { _tag: "RrsetExists", name: owner, type: type.TXT },
      { _tag: "RrsetDoesNotExist", name: owner, type: type.TXT },
      { _tag: "RrsetHolds", name: owner, type: type.TXT, value: "x" },
      { _tag: "RrsetHolds", name: owner, type: type.A, value: undefined }
    ])
    assert.deepStrictEqual(update.changes, [
      { _tag: "Add", name: owner, type: type.TXT, ttl: 60, value: "v".repeat(600) },
      { _tag: "DeleteRecord", name: owner, type: type.TXT, value: "old" },
      { _tag: "DeleteRrset", name: owner, type: type.TXT },
      { _tag: "DeleteName", name: owner },
      { _tag: "DeleteRecord", name: owner, type: type.A, value: undefined }
    ])
  })

  it("needs exactly one zone, asked for as SOA, of a class that holds data", () => {
    const one = M.question(zone, type.SOA)
    const of = (questions: ReadonlyArray<Buffer>) =>
      Either.match(read(M.message({ flags: M.updateFlags, questions })), {
        onLeft: (refusal) => refusal.rcode,
        onRight: () => "NOERROR"
      })
    assert.strictEqual(of([one]), "NOERROR")
    assert.strictEqual(of([]), "FORMERR")
    assert.strictEqual(of([one, one]), "FORMERR")
    assert.strictEqual(of([M.question(zone, type.TXT)]), "FORMERR")
    assert.strictEqual(of([M.question(zone, type.SOA, rrClass.ANY)]), "FORMERR")
    assert.strictEqual(of([M.question(zone, type.SOA, rrClass.NONE)]), "FORMERR")
  })

  it.each<[string, M.Sections, string]>([
    ["nothing to do", {}, "NOERROR"],
    ["the apex", { authorities: [M.add(zone, "x")] }, "NOERROR"],
    ["a name outside", { authorities: [M.add("a.example.org", "x")] }, "NOTZONE"],
    ["a name that only ends alike", { authorities: [M.add(`x${zone}`, "x")] }, "NOTZONE"],
    [
      "an A record outside, before its type is looked at",
      { authorities: [M.rr({ owner: "b.org", type: type.A, rdata: Buffer.alloc(3) })] },
      "NOTZONE"
    ],
    ["a prerequisite outside", { answers: [M.deleteRrset("b.org")] }, "NOTZONE"],
    ["class CH", { authorities: [M.rr({ owner, class: rrClass.CH })] }, "FORMERR"],
    ["a TXT without a string", { authorities: [M.rr({ owner })] }, "FORMERR"],
    [
      "a TXT string that runs out",
      { authorities: [M.rr({ owner, rdata: Buffer.from([5, 0x61]) })] },
      "FORMERR"
    ],
    [
      "a TXT that is no UTF-8",
      { authorities: [M.rr({ owner, rdata: Buffer.from([2, 0xc3, 0x28]) })] },
      "FORMERR"
    ],
    [
      "a delete of what is no UTF-8",
      { authorities: [M.rr({ owner, class: rrClass.NONE, rdata: Buffer.from([1, 0xff]) })] },
      "FORMERR"
    ],
    ["an add of type ANY", { authorities: [M.rr({ owner, type: type.ANY })] }, "FORMERR"],
    ["an add of type AXFR", { authorities: [M.rr({ owner, type: type.AXFR })] }, "FORMERR"],
    ["a delete of type MAILA", { authorities: [M.deleteRrset(owner, 254)] }, "FORMERR"],
    [
      "a delete with a TTL",
      { authorities: [M.rr({ owner, class: rrClass.ANY, ttl: 1 })] },
      "FORMERR"
    ],
    [
      "a delete of an RRset with rdata",
      { authorities: [M.rr({ owner, class: rrClass.ANY, rdata: encodeTxt("x") })] },
      "FORMERR"
    ],
    [
      "a delete of a value with a TTL",
      { authorities: [M.rr({ owner, class: rrClass.NONE, ttl: 1, rdata: encodeTxt("x") })] },
      "FORMERR"
    ],
    [
      "a delete of a value of type ANY",
      { authorities: [M.rr({ owner, type: type.ANY, class: rrClass.NONE })] },
      "FORMERR"
    ],
    ["a prerequisite with a TTL", { answers: [M.add(owner, "x", 1)] }, "FORMERR"],
    [
      "an existence prerequisite with rdata",
      { answers: [M.rr({ owner, class: rrClass.ANY, rdata: encodeTxt("x") })] },
      "FORMERR"
    ],
    ["a prerequisite of class CH", { answers: [M.rr({ owner, class: 3 })] }, "FORMERR"],
    ["a prerequisite of type OPT", { answers: [M.deleteRrset(owner, type.OPT)] }, "FORMERR"],
    ["a value prerequisite of type ANY", { answers: [M.rr({ owner, type: 255 })] }, "FORMERR"]
  ])("with %s is answered as the RFC says", (_, sections, expected) => {
    assert.strictEqual(rcodeOf(sections), expected)
  })

  it("takes a TTL with its highest bit set as 0", () => {
    const update = Either.getOrThrow(
      read(M.update(zone, { authorities: [M.add(owner, "x", 0x80000001)] }))
    )
    assert.deepInclude(update.changes[0], { ttl: 0 })
  })

  it("is not fooled by a label that holds a dot", () => {
    // One label "a.mesh" under example.org is not below mesh.example.org.
    const label = Buffer.concat([Buffer.from([6]), Buffer.from("a.mesh"), M.name("example.org")])
    const record = Buffer.concat([label, M.add("", "x").subarray(1)])
    assert.strictEqual(rcodeOf({ authorities: [record] }), "NOTZONE")
  })
})

describe("TXT rdata", () => {
  it.prop("gives back every text", [FastCheck.fullUnicodeString({ maxLength: 700 })], ([text]) => {
    assert.strictEqual(Either.getOrThrow(decodeTxt(encodeTxt(text))), text)
    return true
  })
  it("is one empty string for the empty text, and keeps a byte order mark", () => {
    assert.deepStrictEqual(encodeTxt(""), Buffer.from([0]))
    assert.strictEqual(Either.getOrThrow(decodeTxt(encodeTxt("\ufeffx"))), "\ufeffx")
  })
  it.prop("never throws", [FastCheck.uint8Array({ maxLength: 300 })], ([octets]) => {
    decodeTxt(Buffer.from(octets))
    return true
  })
})
