/** Where the node of this configuration answers on this machine. */
import { isIPv6 } from "node:net"
import type { NodeConfig } from "../../Settings.ts"
import type { Server } from "./DnsProbe.ts"

/** An address a client here can use for a listener bound to `host`. */
const reachable = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host

const first = (hosts: ReadonlyArray<string>): string =>
  // Unset hosts mean every address; IPv4's loopback is there on any machine.
  reachable(hosts.find((host) => !isIPv6(host)) ?? hosts[0] ?? "127.0.0.1")

export const dnsServer = ({ dns }: NodeConfig): Server => ({
  host: first(dns.hosts),
  port: dns.port
})

export const httpServer = ({ http }: NodeConfig): Server => ({
  host: first(http.hosts),
  port: http.port
})
