/**
 * Signed UPDATEs of one TXT record each, made before the clock starts, a fixed number of them
 * unanswered at any time. Nothing is sent twice: a lost one counts as failed.
 */
import { createHash, randomBytes } from "node:crypto"
import { createSocket } from "node:dgram"
import { Either } from "effect"
import { opcode, rcode, rcodeNames, rrClass, type } from "../../src/wire/Codes.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { encodeTxt } from "../../src/wire/TxtData.ts"
import { nameOctets } from "../../src/wire/WireName.ts"
import { type Percentiles, percentiles } from "./Percentiles.ts"
import { zone } from "./Workload.ts"

/** One key for every server. */
export const key: Key = {
  name: `bench.${zone}`,
  algorithm: "hmac-sha256",
  secret: createHash("sha256").update("bench").digest()
}

const wire = (name: string): Buffer => Either.getOrThrow(nameOctets(name))
const zoneSection = Buffer.concat([wire(zone), Buffer.from([0, type.SOA, 0, rrClass.IN])])
const rdata = encodeTxt("v=bench;".padEnd(241, "x"))

const update = (id: number, owner: string): Buffer => {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id)
  header.writeUInt16BE(opcode.UPDATE << 11, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(1, 8)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type.TXT)
  fixed.writeUInt16BE(rrClass.IN, 2)
  fixed.writeUInt32BE(3600, 4)
  fixed.writeUInt16BE(rdata.length, 8)
  return Buffer.concat([header, zoneSection, wire(owner), fixed, rdata])
}

/** `count` messages, signed now: good for five minutes. IDs repeat after 65,536. */
export const presigned = (count: number): ReadonlyArray<Buffer> => {
  const run = randomBytes(3).toString("hex")
  const timeSigned = Math.floor((performance.timeOrigin + performance.now()) / 1000)
  return Array.from({ length: count }, (_, i) => {
    const owner = `chunk-${String(i % 10_000).padStart(4, "0")}-${run}${i.toString(16).padStart(6, "0")}.${zone}`
    return sign(update(i & 0xffff, owner), key, { timeSigned }).bytes
  })
}

export interface Updated {
  readonly perSecond: number
  readonly done: number
  /** Refused or lost. */
  readonly failed: number
  /** Milliseconds. */
  readonly latency: Percentiles
}

/** Sends for `seconds` or until `messages` are used up; waits two more for stragglers. */
export const updating = (options: {
  readonly port: number
  readonly messages: ReadonlyArray<Buffer>
  readonly outstanding: number
  readonly seconds: number
}): Promise<Updated> =>
  new Promise((resolve, reject) => {
    const { messages, outstanding, port, seconds } = options
    const socket = createSocket({
      type: "udp4",
      recvBufferSize: 4 << 20,
      lookup: (address, _options, done) => done(null, address, 4)
    })
    const sentAt = new Map<number, number>()
    const times: Array<number> = []
    let [next, failed, lastReply] = [0, 0, 0]
    let example = ""
    const began = performance.now()
    const until = began + seconds * 1000

    const finish = () => {
      clearTimeout(deadline)
      socket.close()
      const lost = sentAt.size
      if (failed + lost > 0) console.error(`${lost} lost, ${failed} refused ${example}`)
      resolve({
        perSecond: (times.length / (lastReply - began)) * 1000,
        done: times.length,
        failed: failed + lost,
        latency: percentiles(times)
      })
    }
    const deadline = setTimeout(finish, seconds * 1000 + 2000)
    const sendNext = () => {
      const message = messages[next]
      const now = performance.now()
      if (message === undefined || now > until) return sentAt.size === 0 && finish()
      sentAt.set(next++ & 0xffff, now)
      socket.send(message, port, "127.0.0.1")
      return true
    }
    socket.once("error", reject)
    socket.on("message", (reply) => {
      const id = reply.readUInt16BE(0)
      const sent = sentAt.get(id)
      if (sent === undefined) return
      sentAt.delete(id)
      lastReply = performance.now()
      const code = reply.readUInt8(3) & 0x0f
      if (code === rcode.NOERROR) times.push(lastReply - sent)
      else {
        failed++
        example = rcodeNames[code] ?? String(code)
      }
      sendNext()
    })
    socket.bind(0, "127.0.0.1", () => {
      for (let i = 0; i < outstanding; i++) sendNext()
    })
  })
