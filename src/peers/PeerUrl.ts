/**
 * Where a peer is reached, and whether it may be. Invariant: what `parse` yields is http or
 * https, names exactly one host in one spelling, and carries no credentials, query or fragment.
 */
import { Either, Option, Schema } from "effect"
import { isIP } from "node:net"
import * as Endpoint from "../dmp/Endpoint.ts"
import { canonical } from "../runtime/IpAddress.ts"

export interface PeerUrl {
  readonly secure: boolean
  /** Lower case, without brackets. */
  readonly host: string
  readonly port: number
  /** Empty, or starts with `/` and does not end with one. */
  readonly basePath: string
  /** The one spelling: two URLs are the same peer when these are equal. */
  readonly href: string
}

/**
 * Who chose the address. `operator`: this node's settings, or a manifest under the pinned key;
 * private networks are where such nodes live. `stranger`: anything read from the network.
 */
export type ChosenBy = "operator" | "stranger"

export class AddressRefused extends Schema.TaggedError<AddressRefused>()("AddressRefused", {
  host: Schema.String,
  address: Schema.String
}) {}

const shape =
  /^(https?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)(?::([0-9]{1,5}))?((?:\/[A-Za-z0-9._~-]+)*)\/*$/i

/** A base URL, trailing slashes dropped; nothing when it is not exactly one. */
export const parse = (text: string): Option.Option<PeerUrl> => {
  const match = shape.exec(text.trim())
  if (match === null) return Option.none()
  const [, scheme = "", authority = "", digits, basePath = ""] = match
  const secure = scheme.toLowerCase() === "https"
  const host = authority.replace(/^\[|\]$/g, "").toLowerCase()
  if (authority.startsWith("[") ? isIP(host) !== 6 : !isHost(host)) return Option.none()
  const port = digits === undefined ? (secure ? 443 : 80) : Number(digits)
  if (port < 1 || port > 65_535) return Option.none()
  // A dot segment would be resolved away by the server, and two URLs would be one peer.
  if (basePath.split("/").some((part) => part === "." || part === "..")) return Option.none()
  const shownHost = host.includes(":") ? `[${host}]` : host
  const shownPort = port === (secure ? 443 : 80) ? "" : `:${port}`
  const href = `http${secure ? "s" : ""}://${shownHost}${shownPort}${basePath}`
  return Option.some({ secure, host, port, basePath, href })
}

// A last label that starts like a number is an IPv4 address in disguise (127.1, 0x7f000001).
const isHost = (host: string): boolean =>
  isIP(host) === 4 ||
  (host.split(".").every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) &&
    !/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host))

// Never a peer, whoever says so: unspecified, link-local (where clouds keep their metadata
// service), multicast and broadcast.
const neverAPeer =
  /^(?:0\.|169\.254\.|22[4-9]\.|2[3-5][0-9]\.|::$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/

/** Whether a connection to `address` (a literal the resolver gave for `host`) may be made. */
export const vet = (
  host: string,
  address: string,
  chosenBy: ChosenBy
): Either.Either<string, AddressRefused> => {
  const literal = Option.getOrElse(canonical(address), () => "")
  const shown = literal.includes(":") ? `[${literal}]` : literal
  const allowed =
    literal !== "" &&
    !neverAPeer.test(literal) &&
    (chosenBy === "operator" || (Endpoint.strict(`https://${shown}`) && !isShared(literal)))
  return allowed ? Either.right(literal) : Either.left(new AddressRefused({ host, address }))
}

// RFC 6598: carriers' own networks, which released nodes take for public.
const isShared = (literal: string): boolean =>
  /^100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\./.test(literal)
