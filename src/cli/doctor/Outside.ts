/** What the world sees of the node, asked through a resolver and then at the servers themselves. */
import { Clock, Effect, Option } from "effect"
import { isIPv6 } from "node:net"
import type { NodeConfig } from "../../Settings.ts"
import * as DnsProbe from "./DnsProbe.ts"
import { type Finding, fail, ok, unknown, warn } from "./Finding.ts"
import * as HttpProbe from "./HttpProbe.ts"

export interface World {
  readonly resolver: DnsProbe.Server
  /** Where name servers and the proxy answer: 53, 443. */
  readonly dnsPort: number
  readonly httpsPort: number
}

const day = 86_400_000
const renewalDue = 14

const resolve = (world: World, name: string, type: DnsProbe.Question["type"]) =>
  DnsProbe.ask(world.resolver, "udp", { name, type, recurse: true })

const addressesOf = (world: World, name: string) =>
  Effect.forEach(["A", "AAAA"] as const, (type) =>
    Effect.map(resolve(world, name, type), ({ answers }) => DnsProbe.dataOf(answers, type))
  ).pipe(Effect.map((found) => found.flat()))

/** The names the parent's own servers delegate to, asked past every cache. */
const delegation = (world: World, zone: string) =>
  Effect.gen(function* () {
    const parent = zone.slice(zone.indexOf(".") + 1)
    const { answers } = yield* resolve(world, parent, "NS")
    for (const server of DnsProbe.dataOf(answers, "NS").slice(0, 3)) {
      const [host] = yield* addressesOf(world, server)
      if (host === undefined) continue
      const referral = yield* Effect.option(
        DnsProbe.ask({ host, port: world.dnsPort }, "udp", {
          name: zone,
          type: "NS",
          recurse: false
        })
      )
      if (Option.isSome(referral)) {
        const { answers: given, authorities } = referral.value
        return DnsProbe.dataOf([...given, ...authorities], "NS")
      }
    }
    // No server of the parent could be asked: what resolvers believe is second best.
    return DnsProbe.dataOf((yield* resolve(world, zone, "NS")).answers, "NS")
  })

/** Whether one name server answers with authority over both transports. */
const nameServer = (world: World, zone: string, name: string) =>
  Effect.gen(function* () {
    const addresses = yield* addressesOf(world, name)
    if (addresses.length === 0)
      return [
        fail(
          "delegation",
          `${name}, to which ${zone} is delegated, has no address`,
          `create A or AAAA for ${name}; glue at the parent if it lies inside the zone`
        )
      ]
    const found: Array<Finding> = []
    for (const host of addresses)
      for (const transport of ["udp", "tcp"] as const) {
        const server = { host, port: world.dnsPort }
        const where = `${name} (${DnsProbe.show(server)}, ${transport})`
        found.push(
          yield* DnsProbe.ask(server, transport, { name: zone, type: "SOA", recurse: false }).pipe(
            Effect.match({
              onFailure: ({ message }) =>
                fail(
                  `reach-${transport}`,
                  `${where}: ${message}`,
                  isIPv6(host)
                    ? `let ${world.dnsPort}/${transport} through the firewall, and see that IPv6 works here`
                    : `let ${world.dnsPort}/${transport} through the firewall; resolvers need UDP and TCP`
                ),
              onSuccess: ({ answers, authoritative, rcode }) =>
                authoritative && rcode === "NOERROR" && DnsProbe.serialOf(answers) !== undefined
                  ? ok(`reach-${transport}`, `${where} has authority for ${zone}`)
                  : fail(
                      `reach-${transport}`,
                      `${where} answers ${rcode} without authority for ${zone}`,
                      `it is another server, or serves other zones: compare DMP_DOMAIN with ${zone}`
                    )
            })
          )
        )
      }
    return found
  })

const zoneFindings = (world: World, zone: string) =>
  Effect.gen(function* () {
    const names = yield* delegation(world, zone)
    if (names.length === 0)
      return [
        fail(
          "delegation",
          `nobody delegates ${zone}`,
          `create NS records for ${zone} in its parent zone; \`dnsmesh-node init\` lists them`
        )
      ]
    const servers = yield* Effect.forEach(names, (name) => nameServer(world, zone, name))
    return [ok("delegation", `${zone} is delegated to ${names.join(", ")}`), ...servers.flat()]
  }).pipe(
    Effect.catchAll(({ message }) =>
      Effect.succeed([
        unknown(
          "delegation",
          `${DnsProbe.show(world.resolver)} does not tell: ${message}`,
          "give another --resolver"
        )
      ])
    )
  )

const expiry = (hostname: string, left: number, problem: string): Finding => {
  const days = Math.floor(left / day)
  if (problem !== "")
    return fail(
      "tls",
      `the certificate of ${hostname} is not believed: ${problem}`,
      "see the proxy's log"
    )
  return days < renewalDue
    ? warn(
        "tls",
        `the certificate of ${hostname} ends in ${days} days`,
        "see why the proxy does not renew"
      )
    : ok("tls", `the certificate of ${hostname} is good for ${days} days`)
}

/** The proxy in front: certificate, and whether the node is behind it. */
const proxy = (world: World, hostname: string) =>
  Effect.gen(function* () {
    const [address] = yield* addressesOf(world, hostname)
    if (address === undefined)
      return [fail("address", `${hostname} does not resolve`, `create A or AAAA for ${hostname}`)]
    const { certificate, date, status } = yield* HttpProbe.get({
      tls: true,
      address,
      port: world.httpsPort,
      host: hostname,
      path: "/health"
    })
    const now = yield* Clock.currentTimeMillis
    const found = [
      expiry(
        hostname,
        (certificate?.validTo ?? now) - now,
        certificate?.problem ?? "none is shown"
      ),
      status === 200
        ? ok("https", `https://${hostname}/health answers ${status}`)
        : fail("https", `https://${hostname}/health answers ${status}`, "see the proxy's log")
    ]
    const apart = Math.round(Math.abs(now - date) / 1000)
    // On one machine both are the same clock; it is a difference that proves something.
    return apart > 30
      ? [
          ...found,
          warn("clock", `${hostname} and this machine are ${apart} s apart`, "run NTP on both")
        ]
      : found
  }).pipe(
    Effect.catchAll(({ message }) =>
      Effect.succeed([
        fail(
          "https",
          `https://${hostname}: ${message}`,
          "let 443/tcp through the firewall, and see that the proxy runs"
        )
      ])
    )
  )

export const examine = (config: NodeConfig, world: World): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const zones = yield* Effect.forEach(config.zone.zones, (zone) => zoneFindings(world, zone))
    const front = yield* Option.match(config.zone.nodeHostname, {
      onNone: () =>
        Effect.succeed([
          unknown("https", "the node's public name is not known", "set DMP_NODE_HOSTNAME")
        ]),
      onSome: (hostname) => proxy(world, hostname.toLowerCase())
    })
    return [...zones.flat(), ...front]
  })
