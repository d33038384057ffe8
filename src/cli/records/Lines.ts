/** The lines of a stream, octets as chars, whatever its length; a line that has no end is an error. */
import type { Readable } from "node:stream"

/** Far longer than any record. */
const maxLine = 1_048_576

export async function* lines(source: Readable): AsyncGenerator<string> {
  let held = ""
  source.setEncoding("latin1")
  for await (const chunk of source) {
    held += String(chunk)
    const parts = held.split("\n")
    held = parts.pop() ?? ""
    for (const line of parts) yield line.endsWith("\r") ? line.slice(0, -1) : line
    if (held.length > maxLine) throw new Error(`a line is longer than ${maxLine} bytes`)
  }
  if (held !== "") yield held
}
