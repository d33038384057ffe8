/** What the world sees of the node, asked through a resolver and then at the servers themselves. */
import { Effect, Option } from "effect"
import { isIPv6 } from "node:net"
import * as DnsProbe from "./DnsProbe.ts"
import { type Finding, fail, ok, unknown } from "./Finding.ts"
import { publicFront } from "./PublicFront.ts"
import { addressesOf, resolve, type World } from "./World.ts"

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

/** What is looked for: the zones of a node, and its public name. */
export interface Sought {
  readonly zones: ReadonlyArray<string>
  readonly nodeHostname: Option.Option<string>
}

export const examine = (sought: Sought, world: World): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const zones = yield* Effect.forEach(sought.zones, (zone) => zoneFindings(world, zone))
    const front = yield* Option.match(sought.nodeHostname, {
      onNone: () =>
        Effect.succeed([
          unknown("https", "the node's public name is not known", "set DMP_NODE_HOSTNAME")
        ]),
      onSome: (hostname) => publicFront(world, hostname.toLowerCase())
    })
    return [...zones.flat(), ...front]
  })
