/** Zone transfers one after the other, by a client that only counts, so that it takes little. */
import { connect } from "node:net"
import { Clock, Effect, Either } from "effect"
import { type } from "../../src/wire/Codes.ts"
import { parse } from "../../src/wire/Message.ts"
import { frame, TcpFrames } from "../../src/wire/TcpFrames.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { query } from "./Query.ts"
import { zone } from "./Workload.ts"

export interface Transferred {
  readonly transfers: number
  readonly records: number
  readonly seconds: number
}

const firstRdata = (bytes: Buffer): Buffer | undefined => {
  const [first] = Either.getOrThrow(parse(bytes)).answers
  return first === undefined ? undefined : bytes.subarray(first.rdataStart, first.rdataEnd)
}

/** Records of one whole transfer: it ends with the SOA record it began with (RFC 5936 §2.2). */
const transfer = (port: number, key?: Key): Promise<number> =>
  new Promise((resolve, reject) => {
    const bare = query(zone, type.AXFR)
    const timeSigned = Math.floor(Effect.runSync(Clock.currentTimeMillis) / 1000)
    const asked = key === undefined ? bare : sign(bare, key, { timeSigned }).bytes
    const socket = connect(port, "127.0.0.1", () => socket.write(frame([asked])))
    const frames = new TcpFrames()
    let records = 0
    let soa: Buffer | undefined
    socket.on("data", (chunk: Buffer) => {
      for (const bytes of frames.push(chunk)) {
        records += bytes.readUInt16BE(6)
        // Only the first message is read in full: it shows what the last one ends with.
        const begun = soa?.length ?? 0
        soa ??= firstRdata(bytes)
        if (soa === undefined) return void socket.destroy(new Error("the transfer was refused"))
        const from = begun > 0 ? 0 : bytes.indexOf(soa) + soa.length
        if (bytes.includes(soa, from)) socket.destroy()
      }
    })
    socket.once("error", reject)
    socket.once("close", () => resolve(records))
  })

/** Transfers until `signal` is raised, the last one to its end; signed, where a key is given. */
export const transferring = async (
  port: number,
  signal: AbortSignal,
  key?: Key
): Promise<Transferred> => {
  const began = performance.now()
  let [transfers, records] = [0, 0]
  while (!signal.aborted) {
    records += await transfer(port, key)
    transfers++
  }
  return { transfers, records, seconds: (performance.now() - began) / 1000 }
}
