/** Where the doctor stands when it looks at the node from outside, and how it finds its way. */
import { Effect } from "effect"
import * as DnsProbe from "./DnsProbe.ts"

export interface World {
  readonly resolver: DnsProbe.Server
  /** Where name servers and the proxy answer: 53, 443. */
  readonly dnsPort: number
  readonly httpsPort: number
  /** PEM of authorities to believe besides the public ones. */
  readonly authorities?: ReadonlyArray<string>
}

/** What the resolver says about a name. */
export const resolve = (world: World, name: string, type: DnsProbe.Question["type"]) =>
  DnsProbe.ask(world.resolver, "udp", { name, type, recurse: true })

/** IPv4 first. */
export const addressesOf = (world: World, name: string) =>
  Effect.forEach(["A", "AAAA"] as const, (type) =>
    Effect.map(resolve(world, name, type), ({ answers }) => DnsProbe.dataOf(answers, type))
  ).pipe(Effect.map((found) => found.flat()))
