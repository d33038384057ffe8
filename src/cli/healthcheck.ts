/** `dnsmesh-node healthcheck`: for containers without curl; asks DNS, HTTP and through it the store. */
import * as Command from "@effect/cli/Command"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Option } from "effect"
import { loadConfig } from "../Settings.ts"
import { Unwell } from "./doctor.ts"
import * as DnsProbe from "./doctor/DnsProbe.ts"
import * as HttpProbe from "./doctor/HttpProbe.ts"
import * as Local from "./doctor/Local.ts"

/** Milliseconds for all of it, below what orchestrators allow. */
const patience = 2500

export const healthcheck = Command.make("healthcheck", {}, () =>
  Effect.gen(function* () {
    const { config } = yield* loadConfig(process.env, { mayCreate: false }).pipe(
      Effect.provide(NodeFileSystem.layer)
    )
    const http = Local.httpServer(config)
    const name = Option.getOrElse(config.zone.servedZone, () => "invalid")
    // Any answer will do: REFUSED comes from a working server too.
    const dns = DnsProbe.ask(Local.dnsServer(config), "udp", { name, type: "SOA", recurse: false })
    const health = HttpProbe.get({
      tls: false,
      address: http.host,
      port: http.port,
      host: "localhost",
      path: "/health"
    }).pipe(
      Effect.filterOrFail(
        ({ status }) => status === 200,
        ({ body, status }) => new Unwell({ message: `${status} ${body.slice(0, 200)}` })
      )
    )
    yield* Effect.all(
      [
        Effect.mapError(dns, ({ message }) => new Unwell({ message: `DNS: ${message}` })),
        Effect.mapError(health, ({ message }) => new Unwell({ message: `HTTP: ${message}` }))
      ],
      { concurrency: "unbounded" }
    ).pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () => new Unwell({ message: `no answer within ${patience} ms` })
      })
    )
  })
).pipe(
  Command.withDescription("Exit 0 if the node answers over DNS and HTTP and can read its store")
)
