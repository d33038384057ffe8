/** One bound TCP listener: connections in, capped in all and by source. */
import { createServer, type Server } from "node:net"
import { Effect, Option, Schedule, type Scope } from "effect"
import { bindFailed, type BindFailed } from "../runtime/BindFailed.ts"
import { canonical, limiterKey } from "../runtime/IpAddress.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import type { DnsConfigShape } from "./DnsConfig.ts"
import { countDrop, openConnections } from "./DnsMetrics.ts"
import type { PipelineShape } from "./Pipeline.ts"
import { TcpConnection } from "./TcpConnection.ts"
import type { Endpoint } from "./UdpServer.ts"

const backlog = 511

const acquire = ({ host, port, ipv6Only }: Endpoint): Effect.Effect<Server, BindFailed> =>
  Effect.async((resume) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true })
    server.once("error", (cause) => resume(bindFailed("DNS/TCP", host, port, cause)))
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

/** Binds; yields what starts and stops the serving. Connections get `grace` to finish. */
export const bind = (
  endpoint: Endpoint,
  config: DnsConfigShape,
  count: ConnectionCount
): Effect.Effect<
  { readonly serve: (pipeline: PipelineShape) => Effect.Effect<void, never, Scope.Scope> },
  BindFailed,
  Scope.Scope
> =>
  Effect.map(Effect.acquireRelease(acquire(endpoint), release), (server) => ({
    serve: (pipeline) =>
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        const talkers = yield* TopTalkers
        const now = () => clock.unsafeCurrentTimeMillis()
        const connections = new Map<TcpConnection, () => void>()
        const deadlines = {
          idle: config.tcpIdleTimeout * 1000,
          message: config.tcpMessageTimeout * 1000
        }
        server.on("connection", (socket) => {
          const address = Option.getOrElse(
            canonical(socket.remoteAddress ?? ""),
            () => socket.remoteAddress ?? ""
          )
          const key = limiterKey(address)
          if (!count.enter(key)) {
            countDrop("connection_cap")
            talkers.refused("dns-connections", address)
            socket.destroy()
            return
          }
          const connection = new TcpConnection(socket, address, pipeline, now)
          connections.set(connection, () => socket.destroy())
          socket.on("close", () => {
            connections.delete(connection)
            count.leave(key)
          })
        })
        yield* Effect.sync(() => connections.forEach((_, it) => it.enforce(deadlines))).pipe(
          Effect.repeat(Schedule.spaced("500 millis")),
          Effect.forkScoped
        )
        yield* Effect.addFinalizer(() =>
          Effect.gen(function* () {
            server.removeAllListeners("connection")
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
  }))
