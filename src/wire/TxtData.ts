/** TXT rdata: character-strings of at most 255 octets; together they are one text (RFC 1035 §3.3.14). */
import { Either } from "effect"
import { WireError } from "./WireName.ts"

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const bad = (reason: string) => Either.left(new WireError({ reason }))

/**
 * The strings joined, as strict UTF-8: bytes that are no text are refused rather than
 * replaced, since what is stored must be what was signed.
 */
export const decodeTxt = (rdata: Buffer): Either.Either<string, WireError> => {
  if (rdata.length === 0) return bad("TXT has no string")
  const strings: Array<Buffer> = []
  for (let at = 0; at < rdata.length;) {
    const end = at + 1 + rdata.readUInt8(at)
    if (end > rdata.length) return bad("TXT string runs past the end")
    strings.push(rdata.subarray(at + 1, end))
    at = end
  }
  return Either.try({
    try: () => strict.decode(Buffer.concat(strings)),
    catch: () => new WireError({ reason: "TXT is not UTF-8" })
  })
}

/** `text` cut into strings of 255 octets; the empty text is one empty string. */
export const encodeTxt = (text: string): Buffer => {
  const octets = Buffer.from(text)
  const parts: Array<Buffer> = []
  for (let at = 0; at === 0 || at < octets.length; at += 255) {
    const piece = octets.subarray(at, at + 255)
    parts.push(Buffer.from([piece.length]), piece)
  }
  return Buffer.concat(parts)
}
