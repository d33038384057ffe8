/**
 * Domain names between wire octets and lower-cased text. Invariant: two names are equal
 * exactly when their texts are, and one lies below the other exactly when its text ends
 * with a dot and the other's text, whatever octets the labels hold.
 */
import { Data, Either } from "effect"

/** Why octets are no DNS message, or no such part of one. */
export class WireError extends Data.TaggedError("WireError")<{ readonly reason: string }> {}

export interface WireName {
  /**
   * Lower case, no trailing dot, "" for the root. Octets that are no printable ASCII, and
   * dots and backslashes inside a label, are written `\DDD` (RFC 1035 §5.1).
   */
  readonly text: string
  /** Where the name stops in the message it was read from. */
  readonly end: number
}

/** RFC 1035 §2.3.4: octets of a name, its length octets and the root included. */
export const maxNameOctets = 255
const maxLabelOctets = 63
// A name has at most 127 labels, so an honest one needs no more pointers than that.
const maxPointers = 127
const dot = 0x2e
const backslash = 0x5c

// Every octet may become four characters, and every length octet a dot.
const text = Buffer.alloc(4 * maxNameOctets)
const zero = 0x30

/** Writes octet `octet` of a label at `at` of `text`; yields where the next one goes. */
const putOctet = (octet: number, at: number): number => {
  if (octet > 0x20 && octet < 0x7f && octet !== dot && octet !== backslash) {
    text[at] = octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet
    return at + 1
  }
  text[at] = backslash
  text[at + 1] = zero + Math.floor(octet / 100)
  text[at + 2] = zero + (Math.floor(octet / 10) % 10)
  text[at + 3] = zero + (octet % 10)
  return at + 4
}

const bad = (reason: string) => new WireError({ reason })

/**
 * Reads the name at `start`. Compression pointers must go strictly backwards, to before
 * everything read so far, so a name cannot loop (RFC 1035 §4.1.4). With `compressed` false
 * a pointer is an error.
 */
export const readName = (
  bytes: Buffer,
  start: number,
  options?: { readonly compressed?: boolean; readonly limit?: number }
): WireName | WireError => {
  const limit = options?.limit ?? bytes.length
  const compressed = options?.compressed ?? true
  let written = 0
  let octets = 1
  let pointers = 0
  let floor = start
  let at = start
  let end = -1
  for (;;) {
    if (at >= (end < 0 ? limit : bytes.length)) return bad("name runs past the end")
    const length = bytes.readUInt8(at)
    if (length === 0)
      return { text: text.toString("latin1", 0, written), end: end < 0 ? at + 1 : end }
    if (length >= 0xc0) {
      if (!compressed) return bad("name is compressed where it must not be")
      if (at + 2 > (end < 0 ? limit : bytes.length)) return bad("name runs past the end")
      const target = bytes.readUInt16BE(at) & 0x3fff
      if (target >= floor || target < 12) return bad("pointer does not go backwards")
      if (++pointers > maxPointers) return bad("too many pointers")
      if (end < 0) end = at + 2
      floor = target
      at = target
      continue
    }
    if (length > maxLabelOctets) return bad("unknown label type")
    octets += length + 1
    if (octets > maxNameOctets) return bad("name is too long")
    if (at + 1 + length > (end < 0 ? limit : bytes.length)) return bad("name runs past the end")
    if (written > 0) text[written++] = dot
    at++
    for (const last = at + length; at < last; at++) written = putOctet(bytes.readUInt8(at), written)
  }
}

const escape = /\\(\d{3})/g

/** The uncompressed, lower-cased wire form of a name's text, as MACs are made over it. */
export const nameOctets = (text: string): Either.Either<Buffer, WireError> => {
  if (!/^[\x21-\x7e]*$/.test(text)) return Either.left(bad("name is not ASCII text"))
  const name = text.replace(/\.$/, "").toLowerCase()
  if (name === "") return Either.right(Buffer.from([0]))
  const parts: Array<Buffer> = []
  for (const label of name.split(".")) {
    const octets = Buffer.from(
      label.replace(escape, (_, digits: string) => String.fromCharCode(Number(digits) & 0xff)),
      "latin1"
    )
    if (octets.length === 0 || octets.length > maxLabelOctets)
      return Either.left(bad("label is empty or too long"))
    parts.push(Buffer.from([octets.length]), octets)
  }
  parts.push(Buffer.from([0]))
  const wire = Buffer.concat(parts)
  return wire.length > maxNameOctets ? Either.left(bad("name is too long")) : Either.right(wire)
}
