/** DNS messages over real sockets, octet by octet, and the replies read by our own codec. */
import { createSocket } from "node:dgram"
import { connect } from "node:net"
import { Effect, Either } from "effect"
import { flag, type as rrType, rcodeNames } from "../../src/wire/Codes.ts"
import { type Message, parse, rdata } from "../../src/wire/Message.ts"
import { find, type Key } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { verify } from "../../src/wire/TsigVerify.ts"
import { decodeTxt } from "../../src/wire/TxtData.ts"
import * as M from "../wire/messages.ts"

export type Transport = "udp" | "tcp"
export const transports: ReadonlyArray<Transport> = ["udp", "tcp"]

const patience = 3000
/** How long silence must last to count as the answer, where it is expected. */
export const silence = 400

/** Unix seconds, as a client reads them. */
export const seconds = (): number => Math.floor(Date.now() / 1000)

const overUdp = (port: number, message: Buffer, wait: number) =>
  Effect.async<Buffer | undefined>((resume) => {
    const socket = createSocket("udp4")
    const done = (reply: Buffer | undefined) => {
      clearTimeout(timer)
      socket.close()
      resume(Effect.succeed(reply))
    }
    const timer = setTimeout(() => done(undefined), wait)
    socket.once("message", (reply) => done(reply))
    socket.send(message, port, "127.0.0.1")
  })

const overTcp = (port: number, message: Buffer, wait: number) =>
  Effect.async<Buffer | undefined>((resume) => {
    const socket = connect(port, "127.0.0.1")
    let got = Buffer.alloc(0)
    const done = (reply: Buffer | undefined) => {
      clearTimeout(timer)
      socket.destroy()
      resume(Effect.succeed(reply))
    }
    const timer = setTimeout(() => done(undefined), wait)
    socket.on("error", () => done(undefined))
    socket.on("close", () => done(undefined))
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk])
      if (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) done(got.subarray(2))
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(message.length)
    socket.write(Buffer.concat([length, message]))
  })

/** The reply's octets; none when nothing came within `wait` milliseconds. */
export const exchange = (
  port: number,
  message: Buffer,
  transport: Transport,
  wait = patience
): Effect.Effect<Buffer | undefined> =>
  (transport === "udp" ? overUdp : overTcp)(port, message, wait)

export interface Reply {
  /** `silence` when there was no reply. */
  readonly rcode: string
  readonly truncated: boolean
  readonly authoritative: boolean
  /** `none`, or what our own check of the reply's signature says. */
  readonly signature: string
  readonly tsigError: number
  readonly message: Message | undefined
}

export interface SendOptions {
  readonly transport?: Transport
  readonly key?: Key
  /** When it says it was signed; now without it. */
  readonly at?: number
  readonly wait?: number
}

let lastId = 0x4000

/** Sends `message` under an id of its own, signed when there is a key. */
export const send = (
  port: number,
  message: Buffer,
  { at, key, transport = "udp", wait }: SendOptions = {}
): Effect.Effect<Reply> =>
  Effect.gen(function* () {
    const numbered = Buffer.from(message)
    numbered.writeUInt16BE((lastId = (lastId + 1) & 0xffff), 0)
    const signed =
      key === undefined ? undefined : sign(numbered, key, { timeSigned: at ?? seconds() })
    const octets = yield* exchange(port, signed?.bytes ?? numbered, transport, wait)
    return read(octets, key, signed?.mac)
  })

/** What `octets` say; `key` and `mac` are those of the request. */
export const read = (octets: Buffer | undefined, key?: Key, mac?: Buffer): Reply => {
  if (octets === undefined)
    return {
      rcode: "silence",
      truncated: false,
      authoritative: false,
      signature: "none",
      tsigError: 0,
      message: undefined
    }
  const message = Either.getOrThrow(parse(octets))
  const tsig = Either.getOrThrow(find(message))
  return {
    rcode: rcodeNames[message.rcode] ?? String(message.rcode),
    truncated: (message.flags & flag.TC) !== 0,
    authoritative: (message.flags & flag.AA) !== 0,
    signature:
      tsig === undefined
        ? "none"
        : verify(message, tsig, key, { now: seconds(), priorMac: mac })._tag,
    tsigError: tsig?.error ?? 0,
    message
  }
}

/** The texts of an answer's TXT records. */
export const texts = ({ message }: Reply): ReadonlyArray<string> =>
  (message?.answers ?? [])
    .filter((record) => record.type === rrType.TXT)
    .map((record) => Either.getOrThrow(decodeTxt(rdata(message as Message, record))))

export const query = (owner: string, qtype: number = rrType.TXT): Buffer =>
  M.message({ flags: flag.RD, questions: [M.question(owner, qtype)] })

/** What stands at `owner`, asked as clients ask: UDP first, TCP when that is cut. */
export const resolve = (port: number, owner: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const first = yield* send(port, query(owner))
    return texts(first.truncated ? yield* send(port, query(owner), { transport: "tcp" }) : first)
  })
