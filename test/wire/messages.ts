/** Builds DNS messages octet by octet, well formed or not, for tests. */
import { rrClass, type } from "../../src/wire/Codes.ts"
import { encodeTxt } from "../../src/wire/TxtData.ts"

export const name = (text: string): Buffer =>
  Buffer.concat([
    ...text
      .split(".")
      .filter((label) => label !== "")
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0])
  ])

const u16 = (...values: ReadonlyArray<number>): Buffer => {
  const out = Buffer.alloc(values.length * 2)
  values.forEach((value, at) => out.writeUInt16BE(value, at * 2))
  return out
}

export interface Rr {
  readonly owner: string
  readonly type?: number
  readonly class?: number
  readonly ttl?: number
  readonly rdata?: Buffer
}

export const rr = (record: Rr): Buffer => {
  const { rdata = Buffer.alloc(0), ttl = 0 } = record
  const fixed = u16(record.type ?? type.TXT, record.class ?? rrClass.IN, ttl >>> 16, ttl & 0xffff)
  return Buffer.concat([name(record.owner), fixed, u16(rdata.length), rdata])
}

export const question = (owner: string, qtype: number, qclass: number = rrClass.IN): Buffer =>
  Buffer.concat([name(owner), u16(qtype, qclass)])

export interface Sections {
  readonly id?: number
  readonly flags?: number
  readonly questions?: ReadonlyArray<Buffer>
  readonly answers?: ReadonlyArray<Buffer>
  readonly authorities?: ReadonlyArray<Buffer>
  readonly additionals?: ReadonlyArray<Buffer>
}

export const message = (sections: Sections): Buffer => {
  const { additionals = [], answers = [], authorities = [], questions = [] } = sections
  return Buffer.concat([
    u16(sections.id ?? 0x1234, sections.flags ?? 0),
    u16(questions.length, answers.length, authorities.length, additionals.length),
    ...questions,
    ...answers,
    ...authorities,
    ...additionals
  ])
}

export const updateFlags = 5 << 11

/** An UPDATE of `zone`; `answers` are its prerequisites, `authorities` its changes. */
export const update = (zone: string, sections: Sections): Buffer =>
  message({ flags: updateFlags, questions: [question(zone, type.SOA)], ...sections })

export const add = (owner: string, value: string, ttl = 300): Buffer =>
  rr({ owner, ttl, rdata: encodeTxt(value) })
export const deleteValue = (owner: string, value: string): Buffer =>
  rr({ owner, class: rrClass.NONE, rdata: encodeTxt(value) })
export const deleteRrset = (owner: string, rrType: number = type.TXT): Buffer =>
  rr({ owner, type: rrType, class: rrClass.ANY })
export const opt = (payload: number, version = 0): Buffer =>
  rr({ owner: "", type: type.OPT, class: payload, ttl: version << 16 })
