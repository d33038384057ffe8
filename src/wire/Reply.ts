/** Replies without records, made from the request they answer: UPDATE, refusals, errors. */
import { flag, type } from "./Codes.ts"
import { headerOctets } from "./Message.ts"

export interface ReplyOptions {
  /** May exceed 15 when there is an OPT record to carry the upper bits. */
  readonly rcode: number
  /** Of `flag`; QR is set in any case. */
  readonly flags?: number
  /** Where the question (zone) section to repeat stops, if it is to be repeated. */
  readonly questionsEnd?: number | undefined
  /** Our EDNS payload size, when the request had an OPT record (RFC 6891 §6.1.1). */
  readonly ednsPayload?: number | undefined
}

/** `request` must have a header; its ID and opcode are repeated. */
export const reply = (request: Buffer, options: ReplyOptions): Buffer => {
  const { ednsPayload, flags = 0, questionsEnd = headerOctets, rcode } = options
  const out = Buffer.alloc(questionsEnd + (ednsPayload === undefined ? 0 : 11))
  request.copy(out, 0, 0, questionsEnd)
  out.fill(0, 2, headerOctets)
  out.writeUInt16BE(flag.QR | (request.readUInt16BE(2) & 0x7800) | flags | (rcode & 15), 2)
  if (questionsEnd > headerOctets) out.writeUInt16BE(request.readUInt16BE(4), 4)
  if (ednsPayload !== undefined) {
    out.writeUInt16BE(1, 10)
    out.writeUInt16BE(type.OPT, questionsEnd + 1)
    out.writeUInt16BE(ednsPayload, questionsEnd + 3)
    out.writeUInt8(rcode >> 4, questionsEnd + 5)
  }
  return out
}
