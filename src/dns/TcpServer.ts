/** One bound TCP listener: connections in, capped in all and by source. */
import { createServer, type Server, type Socket } from "node:net"
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls"
import { Effect, Option, Schedule, type Scope } from "effect"
import { bindFailed, type BindFailed } from "../runtime/BindFailed.ts"
import type { ConfigMistakes } from "../runtime/ConfigMistakes.ts"
import { canonical, limiterKey } from "../runtime/IpAddress.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import type { DnsConfigShape } from "./DnsConfig.ts"
import { countDrop, openConnections } from "./DnsMetrics.ts"
import type { PipelineShape } from "./Pipeline.ts"
import { TcpConnection } from "./TcpConnection.ts"
import * as TlsIdentity from "./TlsIdentity.ts"
import type { Endpoint } from "./UdpServer.ts"

const backlog = 511

const listen = (
  server: Server,
  door: string,
  { host, port, ipv6Only }: Endpoint
): Effect.Effect<Server, BindFailed> =>
  Effect.async((resume) => {
    server.once("error", (cause) => resume(bindFailed(door, host, port, cause)))
    server.listen({ host, port, ipv6Only, backlog, exclusive: true }, () => {
      server.removeAllListeners("error")
      // Out of descriptors for a moment: the connection caps bring it back.
      server.on("error", () => countDrop("connection_cap"))
      resume(Effect.succeed(server))
    })
  })

const release = (server: Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
  })

/** Connections of all listeners together, so that the caps hold for the node. */
export class ConnectionCount {
  readonly #config: DnsConfigShape
  readonly #bySource = new Map<string, number>()
  #all = 0

  constructor(config: DnsConfigShape) {
    this.#config = config
  }

  /** Counts one more connection of `key`, unless a cap is reached. */
  enter(key: string): boolean {
    const mine = this.#bySource.get(key) ?? 0
    if (this.#all >= this.#config.maxTcpConnections || mine >= this.#config.maxTcpPerSource)
      return false
    this.#bySource.set(key, mine + 1)
    openConnections.unsafeUpdate(++this.#all, [])
    return true
  }

  leave(key: string): void {
    const mine = (this.#bySource.get(key) ?? 1) - 1
    if (mine === 0) this.#bySource.delete(key)
    else this.#bySource.set(key, mine)
    openConnections.unsafeUpdate(--this.#all, [])
  }
}

export interface Serving {
  /** Port it is bound to. */
  readonly port: number
  readonly serve: (pipeline: PipelineShape) => Effect.Effect<void, never, Scope.Scope>
}

/** Binds; yields what starts and stops the serving. Connections get a moment to finish. */
export const bind = (
  endpoint: Endpoint,
  config: DnsConfigShape,
  count: ConnectionCount
): Effect.Effect<Serving, BindFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.suspend(() =>
        listen(createServer({ noDelay: true, allowHalfOpen: true }), "DNS/TCP", endpoint)
      ),
      release
    ),
    (server) => serving(server, "tcp", config, count)
  )

/** The same behind TLS; the files are followed as long as the scope lasts. */
export const bindTls = (
  endpoint: Endpoint,
  files: TlsIdentity.TlsFiles,
  config: DnsConfigShape,
  count: ConnectionCount
): Effect.Effect<Serving, BindFailed | ConfigMistakes, Scope.Scope> =>
  Effect.gen(function* () {
    const servers: Array<TlsServer> = []
    const identity = yield* TlsIdentity.follow(files, (renewed) =>
      servers.forEach((server) => server.setSecureContext(renewed))
    )
    const server = createTlsServer({
      ...identity,
      noDelay: true,
      allowHalfOpen: true,
      ALPNProtocols: ["dot"],
      minVersion: "TLSv1.2",
      handshakeTimeout: config.tcpMessageTimeout * 1000
    })
    // A failed handshake ends its own connection.
    server.on("tlsClientError", (_, socket) => socket.destroy())
    servers.push(server)
    yield* Effect.acquireRelease(listen(server, "DNS/TLS", endpoint), release)
    return serving(server, "tls", config, count)
  })

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" ? (address?.port ?? 0) : 0
}

const serving = (
  server: Server,
  transport: "tcp" | "tls",
  config: DnsConfigShape,
  count: ConnectionCount
): Serving => ({
  port: portOf(server),
  serve: (pipeline) =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const talkers = yield* TopTalkers
      const security = yield* SecurityLog
      const now = () => clock.unsafeCurrentTimeMillis()
      const connections = new Map<TcpConnection, () => void>()
      const deadlines = {
        idle: config.tcpIdleTimeout * 1000,
        message: config.tcpMessageTimeout * 1000
      }
      const open = (socket: Socket) => {
        const connection = new TcpConnection(socket, transport, addressOf(socket), pipeline, now)
        connections.set(connection, () => socket.destroy())
        socket.on("close", () => connections.delete(connection))
      }
      // Counted from its first moment on, the handshake included.
      server.on("connection", (socket) => {
        const address = addressOf(socket)
        const key = limiterKey(address)
        if (!count.enter(key)) {
          countDrop("connection_cap")
          talkers.refused("dns-connections", address)
          security.refused("connections", address, `dns/${transport}`)
          socket.destroy()
          return
        }
        socket.on("close", () => count.leave(key))
        if (transport === "tcp") open(socket)
      })
      server.on("secureConnection", open)
      yield* Effect.sync(() => connections.forEach((_, it) => it.enforce(deadlines))).pipe(
        Effect.repeat(Schedule.spaced("500 millis")),
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          if (transport === "tcp") server.removeAllListeners("connection")
          server.on("connection", (socket) => socket.destroy())
          server.close()
          connections.forEach((_, it) => it.finish())
          while (connections.size > 0) yield* Effect.sleep("10 millis")
        }).pipe(
          Effect.interruptible,
          Effect.timeoutOption("2 seconds"),
          Effect.ensuring(Effect.sync(() => connections.forEach((destroy) => destroy())))
        )
      )
    })
})

const addressOf = (socket: Socket): string =>
  Option.getOrElse(canonical(socket.remoteAddress ?? ""), () => socket.remoteAddress ?? "")
