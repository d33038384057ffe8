/**
 * A whole DNS message as offsets into its bytes, for everything the question fast path does
 * not take: UPDATE, TSIG, transfers. Invariant: what is accepted has no octet unaccounted
 * for, and the work is bounded by the message's length.
 */
import { Either } from "effect"
import { flag, type } from "./Codes.ts"
import { readName, WireError } from "./WireName.ts"

export interface Question {
  /** Lower-cased text without a trailing dot, see `WireName`. */
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface ResourceRecord {
  /** Lower-cased text without a trailing dot, see `WireName`. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** Seconds, as sent: 32 bits unsigned. */
  readonly ttl: number
  /** Where the record's owner name begins. */
  readonly start: number
  readonly rdataStart: number
  readonly rdataEnd: number
}

export interface Header {
  readonly id: number
  /** The whole second word; see `flag` in `Codes`. */
  readonly flags: number
  readonly opcode: number
  readonly rcode: number
  readonly isResponse: boolean
}

/** In UPDATE the sections are zone, prerequisites, updates, additional (RFC 2136 §2.2). */
export interface Message extends Header {
  readonly bytes: Buffer
  readonly questions: ReadonlyArray<Question>
  /** Where the question (zone) section stops. */
  readonly questionsEnd: number
  readonly answers: ReadonlyArray<ResourceRecord>
  readonly authorities: ReadonlyArray<ResourceRecord>
  readonly additionals: ReadonlyArray<ResourceRecord>
}

export const headerOctets = 12
/** Owner (at least one octet), type, class, TTL, rdata length. */
const minRecordOctets = 11
const minQuestionOctets = 5

/** The header, or nothing when there is not even that. */
export const readHeader = (bytes: Buffer): Header | undefined => {
  if (bytes.length < headerOctets) return undefined
  const flags = bytes.readUInt16BE(2)
  return {
    id: bytes.readUInt16BE(0),
    flags,
    opcode: (flags >> 11) & 15,
    rcode: flags & 15,
    isResponse: (flags & flag.QR) !== 0
  }
}

const bad = (reason: string) => new WireError({ reason })

const readQuestion = (
  bytes: Buffer,
  at: number
): { readonly question: Question; readonly end: number } | WireError => {
  const name = readName(bytes, at)
  if (name instanceof WireError) return name
  if (name.end + 4 > bytes.length) return bad("question runs past the end")
  return {
    question: {
      name: name.text,
      type: bytes.readUInt16BE(name.end),
      class: bytes.readUInt16BE(name.end + 2)
    },
    end: name.end + 4
  }
}

const readRecord = (bytes: Buffer, at: number): ResourceRecord | WireError => {
  const name = readName(bytes, at)
  if (name instanceof WireError) return name
  if (name.end + 10 > bytes.length) return bad("record runs past the end")
  const rdataStart = name.end + 10
  const rdataEnd = rdataStart + bytes.readUInt16BE(name.end + 8)
  if (rdataEnd > bytes.length) return bad("rdata runs past the end")
  return {
    name: name.text,
    type: bytes.readUInt16BE(name.end),
    class: bytes.readUInt16BE(name.end + 2),
    ttl: bytes.readUInt32BE(name.end + 4),
    start: at,
    rdataStart,
    rdataEnd
  }
}

const readSection = (
  bytes: Buffer,
  start: number,
  count: number
): { readonly records: ReadonlyArray<ResourceRecord>; readonly end: number } | WireError => {
  const records: Array<ResourceRecord> = []
  let at = start
  for (let n = 0; n < count; n++) {
    const record = readRecord(bytes, at)
    if (record instanceof WireError) return record
    records.push(record)
    at = record.rdataEnd
  }
  return { records, end: at }
}

/** Parses strictly: every counted record must be there and nothing after the last one. */
export const parse = (bytes: Buffer): Either.Either<Message, WireError> => {
  const header = readHeader(bytes)
  if (header === undefined) return Either.left(bad("shorter than a header"))
  const questionCount = bytes.readUInt16BE(4)
  const counts = [bytes.readUInt16BE(6), bytes.readUInt16BE(8), bytes.readUInt16BE(10)] as const
  const least =
    headerOctets +
    questionCount * minQuestionOctets +
    (counts[0] + counts[1] + counts[2]) * minRecordOctets
  if (least > bytes.length) return Either.left(bad("counts exceed the message"))

  const questions: Array<Question> = []
  let at = headerOctets
  for (let n = 0; n < questionCount; n++) {
    const read = readQuestion(bytes, at)
    if (read instanceof WireError) return Either.left(read)
    questions.push(read.question)
    at = read.end
  }
  const answers = readSection(bytes, at, counts[0])
  if (answers instanceof WireError) return Either.left(answers)
  const authorities = readSection(bytes, answers.end, counts[1])
  if (authorities instanceof WireError) return Either.left(authorities)
  const additionals = readSection(bytes, authorities.end, counts[2])
  if (additionals instanceof WireError) return Either.left(additionals)
  if (additionals.end !== bytes.length) return Either.left(bad("octets after the last record"))

  return Either.right({
    ...header,
    bytes,
    questions,
    questionsEnd: at,
    answers: answers.records,
    authorities: authorities.records,
    additionals: additionals.records
  })
}

export const rdata = (message: Message, record: ResourceRecord): Buffer =>
  message.bytes.subarray(record.rdataStart, record.rdataEnd)

/** The OPT record, if there is one in its place (RFC 6891 §6.1.1). */
export const findOpt = (message: Message): Either.Either<ResourceRecord | undefined, WireError> => {
  const misplaced = [...message.answers, ...message.authorities].some((r) => r.type === type.OPT)
  const found = message.additionals.filter((record) => record.type === type.OPT)
  if (misplaced || found.length > 1) return Either.left(bad("OPT is misplaced or repeated"))
  if (found[0] !== undefined && found[0].name !== "")
    return Either.left(bad("OPT is not at the root"))
  return Either.right(found[0])
}
