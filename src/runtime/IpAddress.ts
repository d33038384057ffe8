/**
 * IP literals as keys. Invariant: two spellings of one address have one canonical form,
 * and an IPv4 address is IPv4 however it reached us.
 */
import { isIP, SocketAddress } from "node:net"
import { Option } from "effect"

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/

/**
 * The canonical form of an IP literal (RFC 5952; IPv4-mapped IPv6 as IPv4), or nothing
 * if `text` is not exactly one. A scope id (`%eth0`) is dropped.
 */
export const canonical = (text: string): Option.Option<string> => {
  const [literal = ""] = text.split("%", 1)
  const version = isIP(literal)
  if (version === 4) return Option.some(literal)
  if (version === 0) return Option.none()
  const { address } = new SocketAddress({ address: literal, family: "ipv6" })
  return Option.some(mapped.exec(address)?.[1] ?? address)
}

/**
 * What one user of the Internet is taken to be, for limiters: the IPv4 address, or the
 * IPv6 /64. `address` is canonical.
 */
export const limiterKey = (address: string): string => {
  const first = address.indexOf(":")
  if (first < 0) return address
  // The usual form has its first four groups written out: nothing to expand, nothing to split.
  let at = first
  for (let group = 1; group < 4; group++) {
    const next = address.indexOf(":", at + 1)
    if (next <= at + 1) return `${groupsOf(address).slice(0, 4).join(":")}::/64`
    at = next
  }
  return `${address.slice(0, at)}::/64`
}

/** The eight groups of a canonical IPv6 address. */
const groupsOf = (address: string): ReadonlyArray<string> => {
  const [left = "", right] = address.split("::", 2)
  const head = left === "" ? [] : left.split(":")
  if (right !== undefined) {
    const tail = right === "" ? [] : right.split(":")
    const tailGroups = tail.length + (right.includes(".") ? 1 : 0)
    for (let gap = 8 - head.length - tailGroups; gap > 0; gap--) head.push("0")
    head.push(...tail)
  }
  return head
}

/** A canonical address as its 4 or 16 octets. */
export const octetsOf = (address: string): Uint8Array => {
  if (!address.includes(":")) return Uint8Array.from(address.split("."), Number)
  const octets = new Uint8Array(16)
  let at = 0
  for (const group of groupsOf(address)) {
    if (group.includes(".")) {
      octets.set(octetsOf(group), at)
      break
    }
    const value = Number.parseInt(group, 16)
    octets[at++] = value >> 8
    octets[at++] = value & 255
  }
  return octets
}
