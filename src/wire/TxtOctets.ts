/**
 * A text as the RDATA of a TXT record, in one reused place: strings of 255 octets, each behind
 * its length (RFC 1035 §3.3.14). Two texts are the same exactly if these octets are.
 */

const string = 255

/** Octets of a text that stands in so many octets of RDATA. */
export const textLength = (rdataLength: number): number =>
  rdataLength - ((rdataLength + string) >>> 8)

/** The text that RDATA at `start` holds, one char for each octet. */
export const textAt = (octets: Buffer, start: number, rdataLength: number): string => {
  if (rdataLength <= string + 1) return octets.toString("latin1", start + 1, start + rdataLength)
  let text = ""
  for (let at = 0; at < rdataLength; at += string + 1)
    text += octets.toString(
      "latin1",
      start + at + 1,
      start + Math.min(at + string + 1, rdataLength)
    )
  return text
}

export class TxtOctets {
  /** Whole words, zero behind `length` octets. */
  words = new Int32Array(1024)
  length = 0
  #octets = Buffer.from(this.words.buffer)

  set(text: string): void {
    // No char takes more than three octets.
    const most = 3 * text.length
    this.#reserve(most + Math.ceil(most / string) + 8)
    let octets = this.#octets
    const size = octets.write(text, 1, most, "utf8")
    const strings = Math.max(1, Math.ceil(size / string))
    // From the last string on, each moves behind the lengths of those before it.
    for (let i = strings - 1; i > 0; i--)
      octets.copyWithin(i * (string + 1) + 1, i * string + 1, Math.min(size, (i + 1) * string) + 1)
    for (let i = 0; i < strings; i++) octets[i * (string + 1)] = Math.min(string, size - i * string)
    this.length = size + strings
    octets = this.#octets
    for (let i = this.length; (i & 3) !== 0; i++) octets[i] = 0
  }

  #reserve(octets: number): void {
    if (octets <= this.#octets.length) return
    this.words = new Int32Array(Math.ceil(octets / 4) * 2)
    this.#octets = Buffer.from(this.words.buffer)
  }
}
