/**
 * Who sent a request: the TCP peer, or, when the peer is a trusted proxy, whom it names.
 * What an untrusted peer writes into its headers has no effect.
 */
import type { IncomingHttpHeaders } from "node:http"
import { Option } from "effect"
import { canonical, limiterKey } from "../runtime/IpAddress.ts"
import type { Trusts } from "../runtime/TrustedProxies.ts"

export interface Client {
  /** Canonical IP address, for logs and audit. */
  readonly address: string
  /** The key of its buckets: the address, or its IPv6 /64. */
  readonly limiterKey: string
}

/** Who is at the other end of a connection: found once for all of its requests. */
export interface Peer extends Client {
  /** Believed about whom it speaks for. */
  readonly trusted: boolean
}

const ofAddress = (address: string): Client => ({ address, limiterKey: limiterKey(address) })

/** The peer of a connection. A socket that is already gone has no address. */
export const peerOf = (remoteAddress: string | undefined): Client =>
  ofAddress(Option.getOrElse(canonical(remoteAddress ?? ""), () => "unknown"))

/** `peerOf`, and whether it is believed; nobody can speak for a socket that is gone. */
export const peerAt = (remoteAddress: string | undefined, trusts: Trusts): Peer => {
  const peer = peerOf(remoteAddress)
  return { ...peer, trusted: peer.address !== "unknown" && trusts(peer.address) }
}

// A list header sent twice is one list (RFC 9110 §5.3), and node joins it that way; a header
// meant to hold one literal then holds none.
const text = (header: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof header === "string" ? header : header?.join(", ")

/** `peer` itself, or the client a trusted `peer` speaks for. */
export const clientOf = (peer: Peer, headers: IncomingHttpHeaders, trusts: Trusts): Client => {
  if (!peer.trusted) return peer
  const realIp = Option.flatMap(Option.fromNullable(text(headers["x-real-ip"])), (value) =>
    canonical(value.trim())
  )
  if (Option.isSome(realIp)) return ofAddress(realIp.value)
  const forwarded = text(headers["x-forwarded-for"])
  if (forwarded === undefined) return peer
  let nearest = peer.address
  for (const hop of forwarded.split(",").reverse()) {
    const address = canonical(hop.trim())
    // Left of a hop that is no address stands nothing a trusted proxy vouched for.
    if (Option.isNone(address)) break
    nearest = address.value
    if (!trusts(nearest)) break
  }
  return nearest === peer.address ? peer : ofAddress(nearest)
}
