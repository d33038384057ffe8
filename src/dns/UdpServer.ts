/** One bound UDP socket: datagrams in, datagrams out, nothing decided here. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { isIPv6 } from "node:net"
import { Effect, type Scope } from "effect"
import { bindFailed, type BindFailed } from "../runtime/BindFailed.ts"
import { countDrop } from "./DnsMetrics.ts"
import type { Exchange } from "./Exchange.ts"

const receiveBuffer = 4 * 1024 * 1024

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** For `::` beside an IPv4 address of its own. */
  readonly ipv6Only: boolean
}

const acquire = (
  { host, ipv6Only, port }: Endpoint,
  reusePort: boolean
): Effect.Effect<Socket, BindFailed> =>
  Effect.async((resume) => {
    const family = isIPv6(host) ? 6 : 4
    const socket = createSocket({
      type: `udp${family}`,
      ipv6Only,
      reusePort,
      recvBufferSize: receiveBuffer,
      // Addresses here are literals of the socket's own family; a synchronous lookup saves a tick
      // per reply, and looking at the address again would cost a tenth of an answer.
      lookup: (address, _options, done) => done(null, address, family)
    })
    socket.once("error", (cause) => {
      socket.close()
      resume(bindFailed("DNS/UDP", host, port, cause))
    })
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners("error")
      // An unreachable client is no reason to stop.
      socket.on("error", () => countDrop("send_error"))
      resume(Effect.succeed(socket))
    })
  })

const release = (socket: Socket): Effect.Effect<void> =>
  Effect.async((resume) => {
    socket.close(() => resume(Effect.void))
  })

const mapped = "::ffff:"

/** Address and port of a client, as the socket says them. */
export type Remote = Pick<RemoteInfo, "address" | "port">

export class Datagram implements Exchange {
  readonly transport = "udp"
  readonly writable = Effect.void
  readonly address: string
  readonly remote: Remote
  /** The address it came to, as it was configured. */
  readonly host: string
  readonly #socket: Socket

  constructor(socket: Socket, host: string, remote: Remote) {
    this.#socket = socket
    this.host = host
    this.remote = remote
    const { address } = remote
    this.address = address.startsWith(mapped) ? address.slice(mapped.length) : address
  }

  send(reply: Buffer): void {
    this.#socket.send(reply, this.remote.port, this.remote.address)
  }

  refuse(): void {}
  done(): void {}
}

/** One that another socket has heard; `done` tells its thread. */
class RelayedDatagram extends Datagram {
  readonly #done: () => void

  constructor(socket: Socket, host: string, remote: Remote, done: () => void) {
    super(socket, host, remote)
    this.#done = done
  }

  override done(): void {
    this.#done()
  }
}

/** Whoever takes in what a socket receives. */
export interface Receiver {
  readonly accept: (message: Buffer, exchange: Datagram) => void
}

/**
 * Binds, alone unless `reusePort` shares address and port with other sockets of this user, the
 * kernel giving each client to one of them; yields the port it got, what starts and stops the reading, and the way back to a
 * client that another socket on this address and port has heard.
 */
export const bind = (
  endpoint: Endpoint,
  reusePort = false
): Effect.Effect<
  {
    readonly port: number
    readonly exchange: (remote: Remote, done: () => void) => Exchange
    readonly serve: (receiver: Receiver) => Effect.Effect<void, never, Scope.Scope>
  },
  BindFailed,
  Scope.Scope
> =>
  Effect.map(Effect.acquireRelease(acquire(endpoint, reusePort), release), (socket) => ({
    port: socket.address().port,
    exchange: (remote, done) => new RelayedDatagram(socket, endpoint.host, remote, done),
    serve: (receiver) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          socket.on("message", (message, remote) =>
            receiver.accept(message, new Datagram(socket, endpoint.host, remote))
          )
        }),
        () => Effect.sync(() => socket.removeAllListeners("message"))
      )
  }))
