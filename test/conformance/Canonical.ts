/** Replies in a form in which two that mean the same are equal; shares no code with the node. */

const name = (message: Buffer, start: number): { readonly text: string; readonly end: number } => {
  let text = ""
  let end = -1
  let at = start
  for (let jumps = 0; jumps < 128;) {
    const length = message.readUInt8(at)
    if (length >= 0xc0) {
      if (end < 0) end = at + 2
      at = message.readUInt16BE(at) & 0x3fff
      jumps++
    } else if (length === 0) return { text: text === "" ? "." : text, end: end < 0 ? at + 1 : end }
    else {
      text += `${message.toString("latin1", at + 1, at + 1 + length)}.`
      at += 1 + length
    }
  }
  throw new Error("compression loop")
}

const namesIn: Readonly<Record<number, readonly [skip: number, names: number]>> = {
  2: [0, 1],
  5: [0, 1],
  6: [0, 2],
  12: [0, 1],
  15: [2, 1]
}

const rdata = (message: Buffer, type: number, start: number, end: number): string => {
  const [skip, names] = namesIn[type] ?? [0, 0]
  let at = start + skip
  let text = message.toString("hex", start, at)
  for (let i = 0; i < names; i++) {
    const read = name(message, at)
    text += ` ${read.text.toLowerCase()}`
    at = read.end
  }
  return `${text} ${message.toString("hex", at, end)}`
}

export interface Canonical {
  readonly id: number
  readonly rcode: number
  /** QR, opcode, AA, TC, RD, RA, Z, AD, CD as they stand. */
  readonly flags: number
  /** As spelled in the reply. */
  readonly question: string
  readonly answer: ReadonlyArray<string>
  readonly authority: ReadonlyArray<string>
  readonly size: number
}

const header = { aa: 0x400, tc: 0x200 }
export const isTruncated = (reply: Canonical): boolean => (reply.flags & header.tc) !== 0

export const canonical = (message: Buffer): Canonical => {
  let at = 12
  let question = ""
  for (let n = message.readUInt16BE(4); n > 0; n--) {
    const read = name(message, at)
    question += `${read.text} ${message.readUInt32BE(read.end)}`
    at = read.end + 4
  }
  const section = (count: number): ReadonlyArray<string> => {
    const records: Array<string> = []
    for (let n = count; n > 0; n--) {
      const owner = name(message, at)
      const type = message.readUInt16BE(owner.end)
      const fixed = message.toString("hex", owner.end, owner.end + 8)
      const start = owner.end + 10
      at = start + message.readUInt16BE(owner.end + 8)
      records.push(`${owner.text.toLowerCase()} ${fixed} ${rdata(message, type, start, at)}`)
    }
    return records.sort()
  }
  const flags = message.readUInt16BE(2)
  let extended = 0
  const answer = section(message.readUInt16BE(6))
  const authority = section(message.readUInt16BE(8))
  for (const record of section(message.readUInt16BE(10))) {
    // The root, then type 41: class, and the extended rcode in the TTL's first octet.
    const opt = /^\. 0029[0-9a-f]{4}([0-9a-f]{2})/.exec(record)
    if (opt !== null) extended = Number.parseInt(opt[1] ?? "0", 16)
  }
  return {
    id: message.readUInt16BE(0),
    rcode: extended * 16 + (flags & 15),
    flags: flags & 0xfff0,
    question,
    answer,
    authority,
    size: message.length
  }
}

/** What of `reply` is compared; a truncated one is a hint to use TCP, whatever it carries. */
export const compared = (reply: Canonical): string =>
  isTruncated(reply)
    ? `${reply.rcode} ${reply.flags} ${reply.question}`
    : [
        reply.rcode,
        reply.flags,
        reply.question,
        "answer",
        ...reply.answer,
        "authority",
        ...reply.authority
      ].join("\n")
