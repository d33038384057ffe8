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
  if (!address.includes(":")) return address
  const [left = "", right] = address.split("::", 2)
  const head = left === "" ? [] : left.split(":")
  if (right !== undefined) {
    const tail = right === "" ? [] : right.split(":")
    const tailGroups = tail.length + (right.includes(".") ? 1 : 0)
    for (let gap = 8 - head.length - tailGroups; gap > 0; gap--) head.push("0")
    head.push(...tail)
  }
  return `${head.slice(0, 4).join(":")}::/64`
}
