/**
 * One bound `node:http` server, for as long as the scope lives. Timeouts bound what a
 * silent client can hold; the caps on connections bound how many of them there are.
 */
import { createServer, type RequestListener, type Server } from "node:http"
import type { Socket } from "node:net"
import type { Effect, Scope } from "effect"
import type { BindFailed } from "../runtime/BindFailed.ts"
import type { Trusts } from "../runtime/TrustedProxies.ts"
import * as ClientError from "./ClientError.ts"
import { peerOf } from "./ClientAddress.ts"
import type { HttpConfigShape } from "./HttpConfig.ts"
import * as HttpMetrics from "./HttpMetrics.ts"
import { inOrder } from "./InOrder.ts"
import { type Listening, listen } from "./Listen.ts"
import { methodNotAllowed } from "./Refusal.ts"

/** Open connections of all listeners, and by limiter key. */
export class Connections {
  readonly #sources = new Map<string, number>()
  #open = 0

  get open(): number {
    return this.#open
  }

  from(source: string): number {
    return this.#sources.get(source) ?? 0
  }

  add(source: string, by: 1 | -1): void {
    this.#open += by
    const count = this.from(source) + by
    if (count > 0) this.#sources.set(source, count)
    else this.#sources.delete(source)
    HttpMetrics.connections.unsafeUpdate(this.#open, [])
  }
}

export interface ListenerOptions {
  readonly config: HttpConfigShape
  readonly connections: Connections
  readonly trusts: Trusts
  readonly onRequest: RequestListener
}

/** One source may hold this part of all connections, unless it is a trusted proxy. */
const sourceShare = 4

const admit = (server: Server, socket: Socket, options: ListenerOptions): void => {
  const { config, connections, trusts } = options
  const peer = peerOf(socket.remoteAddress)
  const source = peer.limiterKey
  connections.add(source, 1)
  socket.once("close", () => connections.add(source, -1))
  if (connections.open > config.maxConnections) {
    HttpMetrics.shed("connections")
    socket.destroy()
    // Whoever comes next finds the room that idle connections took.
    server.closeIdleConnections()
  } else if (
    connections.from(source) > Math.max(1, config.maxConnections / sourceShare) &&
    !trusts(peer.address)
  ) {
    HttpMetrics.shed("source")
    socket.destroy()
  }
}

const make = (options: ListenerOptions): Server => {
  const { config } = options
  const { dueOn, onRequest } = inOrder(options.onRequest)
  const requestTimeout = config.requestTimeout * 1000
  const headersTimeout = Math.min(config.headersTimeout * 1000, requestTimeout)
  const server = createServer({
    headersTimeout,
    requestTimeout,
    keepAliveTimeout: config.keepAliveTimeout * 1000,
    connectionsCheckingInterval: Math.min(1000, headersTimeout / 2),
    // The front answers a request without Host itself, in the shape of every refusal.
    requireHostHeader: false,
    noDelay: true
  })
  // A client may close its side once it has asked. Node would then drop the answer, though what
  // was asked for is done.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on("request", onRequest)
  // Whoever expects 100 gets it when a route starts to read, and not if it is refused before.
  server.on("checkContinue", onRequest)
  server.on("checkExpectation", onRequest)
  server.on("connection", (socket) => admit(server, socket, options))
  server.on("connect", (_request, socket) =>
    ClientError.refuse(socket, methodNotAllowed("GET, HEAD, POST, DELETE"))
  )
  server.on("clientError", (error, socket) =>
    ClientError.onClientError(error, socket, dueOn(socket))
  )
  return server
}

/** Listens on `host`; closes whatever is still open when the scope does. */
export const bind = (
  host: string,
  options: ListenerOptions
): Effect.Effect<Listening, BindFailed, Scope.Scope> =>
  listen("HTTP", () => make(options), host, options.config.port)
