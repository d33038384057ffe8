/** Zone transfers one after the other, by a client that only counts, so that it takes little. */
import { connect } from "node:net"
import { Either } from "effect"
import { type } from "../../src/wire/Codes.ts"
import { parse } from "../../src/wire/Message.ts"
import { frame, TcpFrames } from "../../src/wire/TcpFrames.ts"
import { query } from "./Query.ts"
import { zone } from "./Workload.ts"

export interface Transferred {
  readonly transfers: number
  readonly records: number
  readonly seconds: number
}

/** Records of one whole transfer: it ends with the SOA record it began with (RFC 5936 §2.2). */
const transfer = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(frame([query(zone, type.AXFR)])))
    const frames = new TcpFrames()
    let records = 0
    socket.on("data", (chunk: Buffer) => {
      for (const bytes of frames.push(chunk)) {
        const { answers } = Either.getOrThrow(parse(bytes))
        const last = answers.at(-1)
        if (last === undefined) reject(new Error("the transfer was refused"))
        records += answers.length
        if (last?.type === type.SOA && records > 1) socket.destroy()
      }
    })
    socket.once("error", reject)
    socket.once("close", () => resolve(records))
  })

/** Transfers until `signal` is raised, the last one to its end. */
export const transferring = async (port: number, signal: AbortSignal): Promise<Transferred> => {
  const began = performance.now()
  let [transfers, records] = [0, 0]
  while (!signal.aborted) {
    records += await transfer(port)
    transfers++
  }
  return { transfers, records, seconds: (performance.now() - began) / 1000 }
}
