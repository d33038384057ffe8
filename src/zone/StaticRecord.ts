/** A record that stands in a zone by configuration, with its rdata in wire form. */
import { type Answer, encode } from "dns-packet"
import type { Name } from "../wire/Name.ts"

export interface StaticRecord {
  readonly owner: Name
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** As `encodeRdata` makes it. */
  readonly rdata: Buffer
}

/** RDATA of a record, without RDLENGTH, uncompressed. */
// dns-packet exports no encoder of lone rdata with types: what follows the header, the root as
// owner name and the fixed fields of a message with one answer is it.
export const encodeRdata = (record: Answer): Buffer =>
  Buffer.from(
    encode({ type: "response", answers: [{ ...record, name: "." }] }).subarray(12 + 1 + 10)
  )
