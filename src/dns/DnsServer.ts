/**
 * All DNS listeners of the node, UDP and TCP on the same port. Binding and serving are two
 * steps, so that the node has every address it needs before it does anything else.
 */
import { isIPv6 } from "node:net"
import { Context, Effect, Layer, Option, type Scope } from "effect"
import { DnsConfig } from "./DnsConfig.ts"
import type { Exchange } from "./Exchange.ts"
import { Pipeline, type PipelineShape } from "./Pipeline.ts"
import * as TcpServer from "./TcpServer.ts"
import * as UdpServer from "./UdpServer.ts"

export interface Bound {
  readonly host: string
  readonly port: number
}

interface Listener extends UdpServer.Endpoint {
  readonly udp: Effect.Effect.Success<ReturnType<typeof UdpServer.bind>>
  readonly tcp: Effect.Effect.Success<ReturnType<typeof TcpServer.bind>>
}

/** The bound sockets, silent until `serve`. */
export class DnsListeners extends Context.Tag("dnsmesh/dns/DnsListeners")<
  DnsListeners,
  {
    readonly bound: ReadonlyArray<Bound>
    /** Those of DNS over TLS. */
    readonly boundTls: ReadonlyArray<Bound>
    /** Those of UDP, ports as they are, for threads that answer beside this one. */
    readonly udp: ReadonlyArray<
      UdpServer.Endpoint & {
        /** The way back to a client that one of those threads has heard there. */
        readonly exchange: (remote: UdpServer.Remote, done: () => void) => Exchange
      }
    >
    readonly serve: (pipeline: PipelineShape) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer = Layer.scoped(
    DnsListeners,
    Effect.gen(function* () {
      const config = yield* DnsConfig
      const count = new TcpServer.ConnectionCount(config)
      const hasIpv4 = config.hosts.some((host) => !isIPv6(host))
      const reusePort = config.workers > 1
      const bindAll = Effect.gen(function* () {
        const listeners: Array<Listener> = []
        let { port } = config
        for (const host of config.hosts) {
          const ipv6Only = isIPv6(host) && hasIpv4
          const udp = yield* UdpServer.bind({ host, port, ipv6Only }, reusePort)
          // Port 0: the first socket chooses for all of them.
          port = udp.port
          const tcp = yield* TcpServer.bind({ host, port, ipv6Only }, config, count)
          listeners.push({ host, port, ipv6Only, udp, tcp })
        }
        return listeners
      })
      // A port the kernel has chosen for one socket may be taken for the next.
      const listeners = yield* Effect.retry(bindAll, { times: config.port === 0 ? 8 : 0 })
      const overTls = yield* Option.match(config.tls ?? Option.none(), {
        onNone: () => Effect.succeed([]),
        onSome: (files) =>
          Effect.forEach(config.hosts, (host) => {
            const endpoint = { host, port: config.tlsPort ?? 0, ipv6Only: isIPv6(host) && hasIpv4 }
            return Effect.map(TcpServer.bindTls(endpoint, files, config, count), (tls) => ({
              host,
              tls
            }))
          })
      })
      return DnsListeners.of({
        bound: listeners.map(({ host, port }) => ({ host, port })),
        udp: listeners.map(({ host, ipv6Only, port, udp: { exchange } }) => ({
          host,
          ipv6Only,
          port,
          exchange
        })),
        boundTls: overTls.map(({ host, tls }) => ({ host, port: tls.port })),
        serve: (pipeline) =>
          Effect.forEach(
            [...listeners.flatMap(({ udp, tcp }) => [tcp, udp]), ...overTls.map(({ tls }) => tls)],
            (listener) => listener.serve(pipeline),
            { discard: true }
          )
      })
    })
  )
}

/** Serves until the scope closes. */
export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const listeners = yield* DnsListeners
    const pipeline = yield* Pipeline
    // Runs after the reading has stopped: what is being worked on still gets its answer.
    yield* Effect.addFinalizer(() =>
      Effect.sleep("5 millis").pipe(
        Effect.repeat({ while: () => pipeline.inFlight() > 0 }),
        Effect.interruptible,
        Effect.timeoutOption("5 seconds")
      )
    )
    yield* listeners.serve(pipeline)
    yield* Effect.forEach(listeners.bound, ({ host, port }) =>
      Effect.logInfo(`DNS listening on ${host}:${port}/udp+tcp`)
    )
    yield* Effect.forEach(listeners.boundTls, ({ host, port }) =>
      Effect.logInfo(`DNS listening on ${host}:${port}/tls`)
    )
  }).pipe(Effect.annotateLogs({ logger: "dmp.server.dns_server" }))
)
