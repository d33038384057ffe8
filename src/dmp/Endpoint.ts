/**
 * The HTTP endpoint a node announces. Two rules: `tolerated` is what released nodes take in a
 * heartbeat, `strict` is what we announce ourselves and may connect to. Neither resolves names.
 */
import { BlockList, isIP } from "node:net"

const shape = /^https?:\/\/([^/?#]*)(?:|\?|#|\?#)$/i
const strictShape =
  /^https?:\/\/((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/

const localNames: ReadonlySet<string> = new Set([
  "localhost",
  "localhost.localdomain",
  "ip6-localhost"
])

const notPublic4 = new BlockList()
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 29],
  ["192.0.0.170", 31],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3]
] as const)
  notPublic4.addSubnet(network, prefix, "ipv4")

// Shared address space (RFC 6598): released nodes take it for public, but nobody outside can
// reach it, and inside it is somebody's own network.
const shared4 = new BlockList()
shared4.addSubnet("100.64.0.0", 10, "ipv4")

// Global unicast is 2000::/3; these are the special blocks in it (RFC 6890).
const globalUnicast = new BlockList()
globalUnicast.addSubnet("2000::", 3, "ipv6")
const notPublic6 = new BlockList()
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16]
] as const)
  notPublic6.addSubnet(network, prefix, "ipv6")

/** False for an address literal that is not public; true for names. */
const isPublicHost = (host: string): boolean => {
  switch (isIP(host)) {
    case 4:
      return !notPublic4.check(host, "ipv4")
    case 6:
      return globalUnicast.check(host, "ipv6") && !notPublic6.check(host, "ipv6")
    default:
      return true
  }
}

/**
 * As released nodes judge a heartbeat's endpoint: http or https, no user, path, query or
 * fragment, no localhost, no private address literal. Ports and name grammar go unchecked.
 */
export const tolerated = (endpoint: string): boolean => {
  if (endpoint.length > 255 || !/^[\x21-\x7e]+$/.test(endpoint)) return false
  const authority = shape.exec(endpoint)?.[1]
  if (authority === undefined || authority.includes("@")) return false
  const host = hostOf(authority)
  return host !== undefined && host !== "" && !localNames.has(host) && isPublicHost(host)
}

/** Tolerated, and a lower-case host name or address with, at most, a port from 1 to 65535. */
export const strict = (endpoint: string): boolean => {
  const match = strictShape.exec(endpoint)
  if (match === null || !tolerated(endpoint)) return false
  const [, host = "", port] = match
  // A last label of digits is an address in disguise to most URL parsers (127.1, 2130706433).
  if (isIP(host) === 0 && /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host)) return false
  if (host.endsWith(".localhost")) return false
  if (isIP(host) === 4 && shared4.check(host, "ipv4")) return false
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}

const hostOf = (authority: string): string | undefined => {
  if (!authority.includes("[") && !authority.includes("]"))
    return authority.split(":")[0]!.toLowerCase()
  const literal = /^\[([^\]]*)\](?::[^[\]]*)?$/.exec(authority)?.[1]
  return literal !== undefined && !literal.includes("%") && isIP(literal) === 6
    ? literal.toLowerCase()
    : undefined
}
