/**
 * The peers whose word about the client's address is believed. An address outside the
 * list is never trusted, whatever it claims.
 */
import { BlockList } from "node:net"
import { Context, Either, Layer, Option } from "effect"
import { canonical } from "./IpAddress.ts"

export interface Cidr {
  readonly address: string
  readonly prefix: number
  readonly family: "ipv4" | "ipv6"
}

/** Parses `address/prefix`, or a bare address as a network of one. */
export const parseCidr = (text: string): Option.Option<Cidr> => {
  const [literal = "", length, ...rest] = text.trim().split("/")
  if (rest.length > 0 || literal.includes("%")) return Option.none()
  return Option.flatMap(canonical(literal), (address) => {
    const v4 = !address.includes(":")
    const widest = v4 ? 32 : 128
    if (length !== undefined && !/^\d{1,3}$/.test(length)) return Option.none()
    if (v4 && literal.includes(":") && length !== undefined) {
      // `::ffff:10.0.0.0/104` speaks of IPv4 in IPv6's count of bits; a wider one is IPv6.
      const bits = Number(length)
      if (bits > 128) return Option.none()
      return Option.some<Cidr>(
        bits >= 96
          ? { address, prefix: bits - 96, family: "ipv4" }
          : { address: literal, prefix: bits, family: "ipv6" }
      )
    }
    const prefix = length === undefined ? widest : Number(length)
    return prefix <= widest
      ? Option.some<Cidr>({ address, prefix, family: v4 ? "ipv4" : "ipv6" })
      : Option.none()
  })
}

/** Whether a canonical address is a trusted proxy. */
export type Trusts = (address: string) => boolean

/** Left with the entries that are no CIDR. */
export const make = (
  entries: ReadonlyArray<string>
): Either.Either<Trusts, ReadonlyArray<string>> => {
  const list = new BlockList()
  const bad: Array<string> = []
  for (const entry of entries)
    Option.match(parseCidr(entry), {
      onNone: () => void bad.push(entry),
      onSome: ({ address, prefix, family }) => list.addSubnet(address, prefix, family)
    })
  return bad.length > 0
    ? Either.left(bad)
    : Either.right((address) => list.check(address, address.includes(":") ? "ipv6" : "ipv4"))
}

/** Whether an address lies in ranges that the configuration has let through. */
export const within = (entries: ReadonlyArray<string>): Trusts =>
  entries.length === 0 ? () => false : Either.getOrElse(make(entries), () => () => false)

export class TrustedProxies extends Context.Tag("dnsmesh/runtime/TrustedProxies")<
  TrustedProxies,
  Trusts
>() {
  /** Entries are CIDRs; one that is not was let through by the configuration: a defect. */
  static readonly layer = (entries: ReadonlyArray<string>) =>
    Layer.sync(TrustedProxies, () =>
      Either.getOrThrowWith(
        make(entries),
        (bad) => new Error(`not a CIDR: ${bad.map((entry) => JSON.stringify(entry)).join(", ")}`)
      )
    )
}
