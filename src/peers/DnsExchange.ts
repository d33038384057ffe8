/**
 * One TXT question to one DNS server and its answer: over UDP, and again over TCP when it was
 * cut short, or over TLS alone. Invariant: only a reply to this very question, from the server
 * asked, is read, and a server that is to be asked over TLS is never asked in the clear.
 */
import packet from "dns-packet"
import { Data, Effect, Either } from "effect"
import dgram from "node:dgram"
import net from "node:net"
import tls from "node:tls"
import { unsafeUint16 } from "../runtime/SecureRandom.ts"
import type { Upstream } from "./Upstream.ts"

export class ResolveFailed extends Data.TaggedError("ResolveFailed")<{
  readonly message: string
}> {}

export interface TxtAnswer {
  readonly rcode: string
  /** Each value with its strings joined. */
  readonly values: ReadonlyArray<string>
  /** True when the server vouches for DNSSEC validation (AD). */
  readonly authentic: boolean
}

export interface ExchangeOptions {
  /** Asks for validation (DO and AD, RFC 6840 §5.7). */
  readonly dnssec: boolean
  /** Milliseconds for each of UDP and TCP, or for TLS from the handshake on. */
  readonly timeout: number
  /** Who may vouch for a server asked over TLS, PEM; those browsers know when undefined. */
  readonly ca?: string | undefined
}

/** What RFC 9715 takes to arrive unfragmented; more when signatures come along. */
const payload = 1232
const payloadWithSignatures = 4096
const maxTcp = 65_535

const failed = (message: string) => new ResolveFailed({ message })

const encode = (id: number, name: string, dnssec: boolean): Buffer =>
  packet.encode({
    id,
    type: "query",
    flags: packet.RECURSION_DESIRED | (dnssec ? packet.AUTHENTIC_DATA : 0),
    questions: [{ name, type: "TXT", class: "IN" }],
    additionals: [
      {
        name: ".",
        type: "OPT",
        udpPayloadSize: dnssec ? payloadWithSignatures : payload,
        flags: dnssec ? packet.DNSSEC_OK : 0,
        extendedRcode: 0,
        ednsVersion: 0,
        flag_do: dnssec,
        options: []
      }
    ]
  })

const decode = (octets: Buffer): packet.DecodedPacket | undefined =>
  Either.getOrUndefined(Either.try(() => packet.decode(octets)))

/** Joins strings as UTF-8; a value that is none is no record of ours. */
const text = (data: unknown): ReadonlyArray<string> => {
  const parts = Array.isArray(data) ? data : [data]
  const octets = Buffer.concat(
    parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(String(part))))
  )
  const joined = octets.toString("utf8")
  return Buffer.from(joined).equals(octets) ? [joined] : []
}

const read = (reply: packet.DecodedPacket, name: string): TxtAnswer => ({
  rcode: String("rcode" in reply ? reply.rcode : "?"),
  authentic: reply.flag_ad,
  values: (reply.answers ?? []).flatMap((answer) =>
    // An alias' records stand at another name; heartbeats are never behind one.
    answer.type === "TXT" && answer.name.toLowerCase() === name ? text(answer.data) : []
  )
})

const isReplyTo = (reply: packet.DecodedPacket, id: number, name: string): boolean => {
  const question = reply.questions?.[0]
  return (
    reply.id === id &&
    reply.type === "response" &&
    question?.type === "TXT" &&
    question.name.toLowerCase() === name
  )
}

const overUdp = (upstream: Upstream, query: Buffer, id: number, name: string, timeout: number) =>
  Effect.async<packet.DecodedPacket, ResolveFailed>((resume) => {
    const socket = dgram.createSocket(upstream.host.includes(":") ? "udp6" : "udp4")
    const finish = (result: Effect.Effect<packet.DecodedPacket, ResolveFailed>) => {
      clearTimeout(timer)
      socket.removeAllListeners("message")
      socket.close()
      finish_ = () => {}
      resume(result)
    }
    let finish_ = finish
    const timer = setTimeout(() => finish_(Effect.fail(failed("no answer over UDP"))), timeout)
    socket.on("error", (error) => finish_(Effect.fail(failed(error.message))))
    socket.on("message", (octets) => {
      const reply = decode(octets)
      // Whatever is not the reply is somebody's guess: wait on.
      if (reply !== undefined && isReplyTo(reply, id, name)) finish_(Effect.succeed(reply))
    })
    // A connected socket hears its peer alone, from a port the kernel chose.
    socket.connect(upstream.port, upstream.host, () =>
      socket.send(query, (error) => {
        if (error !== null) finish_(Effect.fail(failed(error.message)))
      })
    )
    return Effect.sync(() => {
      clearTimeout(timer)
      socket.removeAllListeners("message")
      if (finish_ === finish) socket.close()
    })
  })

/** A stream to the server, secured where it is asked over TLS. */
const connect = ({ host, port, tls: secured }: Upstream, ca: string | undefined): net.Socket =>
  secured === undefined
    ? net.connect({ host, port })
    : tls.connect({
        host,
        port,
        ALPNProtocols: ["dot"],
        minVersion: "TLSv1.2",
        // RFC 6066 §3: an address is no server name.
        ...(secured.name === undefined ? {} : { servername: secured.name }),
        ...(ca === undefined ? {} : { ca }),
        // RFC 8310 §8.1: whoever the settings name, whatever the handshake was about.
        checkServerIdentity: (_, certificate) =>
          tls.checkServerIdentity(secured.name ?? host, certificate)
      })

interface Asked {
  readonly query: Buffer
  readonly id: number
  readonly name: string
  readonly timeout: number
}

const overStream = (upstream: Upstream, { id, name, query, timeout }: Asked, ca?: string) =>
  Effect.async<packet.DecodedPacket, ResolveFailed>((resume) => {
    const kind = upstream.tls === undefined ? "TCP" : "TLS"
    const socket = connect(upstream, ca)
    const timer = setTimeout(() => finish(Effect.fail(failed(`no answer over ${kind}`))), timeout)
    let received = Buffer.alloc(0)
    const finish = (result: Effect.Effect<packet.DecodedPacket, ResolveFailed>) => {
      clearTimeout(timer)
      socket.destroy()
      resume(result)
    }
    socket.on("error", (error) => finish(Effect.fail(failed(error.message))))
    socket.on("close", () => finish(Effect.fail(failed("the connection was closed"))))
    // Nothing is said before the certificate has been checked.
    socket.on(upstream.tls === undefined ? "connect" : "secureConnect", () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.length)
      socket.write(Buffer.concat([length, query]))
    })
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length > maxTcp + 2) return finish(Effect.fail(failed("too long an answer")))
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const reply = decode(received.subarray(2, 2 + received.readUInt16BE(0)))
      finish(
        reply !== undefined && isReplyTo(reply, id, name)
          ? Effect.succeed(reply)
          : Effect.fail(failed("not an answer to the question"))
      )
    })
    return Effect.sync(() => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on("error", () => {})
      socket.destroy()
    })
  })

/** Asks `upstream` for the TXT records at `name` (lower case, no trailing dot). */
export const ask = (
  upstream: Upstream,
  name: string,
  { ca, dnssec, timeout }: ExchangeOptions
): Effect.Effect<TxtAnswer, ResolveFailed> =>
  Effect.gen(function* () {
    const id = unsafeUint16()
    const query = encode(id, name, dnssec)
    const asked = { query, id, name, timeout }
    if (upstream.tls === undefined) {
      const first = yield* overUdp(upstream, query, id, name, timeout)
      if (!first.flag_tc) return read(first, name)
    }
    return read(yield* overStream(upstream, asked, ca), name)
  })
