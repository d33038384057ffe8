/**
 * One question to one DNS server, over the transport asked for. Invariant: only a reply with
 * the question's own random ID, from the server asked, counts.
 */
import packet from "dns-packet"
import { Data, Effect } from "effect"
import dgram from "node:dgram"
import net from "node:net"
import { unsafeUint16 } from "../../runtime/SecureRandom.ts"

export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly message: string }> {}

export interface Server {
  readonly host: string
  readonly port: number
}

export interface Question {
  readonly name: string
  readonly type: "SOA" | "NS" | "A" | "AAAA" | "TXT"
  /** Asks a resolver to do the work. */
  readonly recurse: boolean
}

export interface Reply {
  readonly rcode: string
  readonly authoritative: boolean
  readonly answers: ReadonlyArray<packet.Answer>
  readonly authorities: ReadonlyArray<packet.Answer>
}

export const show = ({ host, port }: Server): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** Milliseconds for one try; UDP gets two. */
const patience = 2000

const encode = (id: number, { name, recurse, type }: Question): Buffer =>
  packet.encode({
    type: "query",
    id,
    flags: recurse ? packet.RECURSION_DESIRED : 0,
    questions: [{ type, name }]
  })

/** The reply in `octets`, if it is the one to `id`. */
const decode = (octets: Buffer, id: number): Effect.Effect<Reply, NoAnswer> =>
  Effect.try({
    try: () => packet.decode(octets),
    catch: () => new NoAnswer({ message: "what came back is no DNS message" })
  }).pipe(
    Effect.filterOrFail(
      (message) => message.id === id && message.type === "response",
      () => new NoAnswer({ message: "what came back answers something else" })
    ),
    Effect.map((message) => ({
      // The types lag behind the codec here.
      rcode: "rcode" in message ? String(message.rcode) : "NOERROR",
      authoritative: message.flag_aa === true,
      answers: message.answers ?? [],
      authorities: message.authorities ?? []
    }))
  )

const overUdp = (server: Server, query: Buffer) =>
  Effect.acquireUseRelease(
    Effect.sync(() => dgram.createSocket(net.isIPv6(server.host) ? "udp6" : "udp4")),
    (socket) =>
      Effect.async<Buffer, NoAnswer>((resume) => {
        socket.on("error", ({ message }) => resume(Effect.fail(new NoAnswer({ message }))))
        socket.once("message", (message) => resume(Effect.succeed(message)))
        socket.connect(server.port, server.host, () => socket.send(query))
      }),
    (socket) => Effect.sync(() => socket.close())
  )

const overTcp = (server: Server, query: Buffer) =>
  Effect.acquireUseRelease(
    Effect.sync(() => net.connect(server.port, server.host)),
    (socket) =>
      Effect.async<Buffer, NoAnswer>((resume) => {
        const chunks: Array<Buffer> = []
        const length = Buffer.alloc(2)
        length.writeUInt16BE(query.length)
        const failed = (message: string) => resume(Effect.fail(new NoAnswer({ message })))
        socket.on("error", (error) => failed(error.message))
        socket.on("close", () => failed("the connection was closed without an answer"))
        socket.on("connect", () => socket.write(Buffer.concat([length, query])))
        socket.on("data", (chunk: Buffer) => {
          chunks.push(chunk)
          const all = Buffer.concat(chunks)
          if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0))
            resume(Effect.succeed(all.subarray(2, 2 + all.readUInt16BE(0))))
        })
      }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Asks `server`; fails with a reason when nothing usable comes back in time. */
export const ask = (
  server: Server,
  transport: "udp" | "tcp",
  question: Question
): Effect.Effect<Reply, NoAnswer> =>
  Effect.suspend(() => {
    const id = unsafeUint16()
    const query = encode(id, question)
    return Effect.flatMap(
      transport === "udp" ? overUdp(server, query) : overTcp(server, query),
      (octets) => decode(octets, id)
    )
  }).pipe(
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => new NoAnswer({ message: `no answer within ${patience / 1000} s` })
    }),
    Effect.retry({ times: transport === "udp" ? 1 : 0 })
  )

/** The data of the records of `type` in `records`, as text. */
export const dataOf = (
  records: ReadonlyArray<packet.Answer>,
  type: string
): ReadonlyArray<string> =>
  records.flatMap((record) =>
    record.type === type && "data" in record && typeof record.data === "string"
      ? [record.data.toLowerCase().replace(/\.$/, "")]
      : []
  )

/** The serial of the first SOA record. */
export const serialOf = (records: ReadonlyArray<packet.Answer>): number | undefined => {
  const soa = records.find((record) => record.type === "SOA")
  return soa?.type === "SOA" ? soa.data.serial : undefined
}
