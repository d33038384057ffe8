import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { flag, rrClass, type as rrType } from "../../src/wire/Codes.ts"
import { maxMessage, ReplyWriter } from "../../src/wire/ReplyWriter.ts"

const question = Buffer.from([3, 0x6f, 0x6e, 0x65, 4, 0x74, 0x65, 0x73, 0x74, 0, 0, 16, 0, 1])
const query = (id: number, second: number, third: number) =>
  Buffer.concat([Buffer.from([id >> 8, id & 255, second, third, 0, 1, 0, 0, 0, 0, 0, 1]), question])

describe("ReplyWriter", () => {
  it("gives back ID, opcode, RD and question, and sets the rest of the header itself", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.nat(0xffff),
        FastCheck.nat(255),
        FastCheck.nat(255),
        FastCheck.constantFrom(0, flag.AA, flag.AA | flag.TC),
        FastCheck.nat(4095),
        (id, second, third, flags, rcode) => {
          const asked = query(id, second, third)
          const writer = new ReplyWriter()
          writer.begin(asked, asked.length, flags, rcode)
          const reply = writer.finish()
          assert.strictEqual(reply.readUInt16BE(0), id)
          assert.strictEqual(
            reply.readUInt16BE(2),
            flag.QR | flags | ((second << 8) & (0x7800 | flag.RD)) | (rcode & 15)
          )
          assert.deepStrictEqual([...reply.subarray(4, 12)], [0, 1, 0, 0, 0, 0, 0, 0])
          assert.isTrue(reply.subarray(12).equals(question))
        }
      )
    )
  })

  it("leaves a reply as it is, however many and large ones follow", () => {
    const size = FastCheck.oneof(
      FastCheck.nat(600),
      FastCheck.integer({ min: 0, max: maxMessage - 100 })
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(size, { minLength: 1, maxLength: 200 }), (sizes) => {
        const writer = new ReplyWriter()
        const written = sizes.map((length, i) => {
          const asked = query(i, 0, 0)
          const rdata = Buffer.alloc(length, i)
          writer.begin(asked, asked.length, flag.AA, 0, asked.length + 12 + length + 11)
          writer.txt(rdata, 0, length, 60)
          assert.strictEqual(writer.length, asked.length + 12 + length)
          writer.opt(1232, 0, true, Buffer.alloc(0))
          return { reply: writer.finish(), rdata }
        })
        for (const [i, { rdata, reply }] of written.entries()) {
          const at = 12 + question.length
          assert.strictEqual(reply.length, at + 12 + rdata.length + 11)
          assert.strictEqual(reply.readUInt16BE(0), i)
          assert.deepStrictEqual([...reply.subarray(4, 12)], [0, 1, 0, 1, 0, 0, 0, 1])
          assert.strictEqual(reply.readUInt16BE(at), 0xc00c)
          assert.strictEqual(reply.readUInt16BE(at + 2), rrType.TXT)
          assert.strictEqual(reply.readUInt16BE(at + 4), rrClass.IN)
          assert.strictEqual(reply.readUInt32BE(at + 6), 60)
          assert.strictEqual(reply.readUInt16BE(at + 10), rdata.length)
          assert.isTrue(reply.subarray(at + 12, at + 12 + rdata.length).equals(rdata))
        }
      }),
      { numRuns: 50 }
    )
  })

  it("begins a reply anew where it has not been finished", () => {
    const writer = new ReplyWriter()
    const asked = query(7, 1, 0)
    writer.begin(asked, asked.length, flag.AA, 0)
    writer.txt(Buffer.alloc(200), 0, 200, 60)
    writer.begin(asked, asked.length, flag.AA | flag.TC, 0)
    const reply = writer.finish()
    assert.strictEqual(reply.length, asked.length)
    assert.strictEqual(reply.readUInt16BE(6), 0)
  })
})
