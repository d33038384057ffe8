/**
 * How much of a client's address outlives its request. A whole address beside each write lets
 * a reader of the trail join what a user owns to what somebody left in the shared pool.
 */
import { Option } from "effect"
import { canonical, limiterKey } from "../runtime/IpAddress.ts"

export type AddressDetail = "full" | "network" | "none"

/** Reduces addresses, the same one many times in a row at the cost of one. */
export const reducer = (detail: AddressDetail): ((address: string) => string | null) => {
  let latest = ""
  let reduced = reduce(latest, detail)
  return (address) => {
    if (address !== latest) {
      latest = address
      reduced = reduce(address, detail)
    }
    return reduced
  }
}

/** `address` as the audit keeps it: whole, as IPv4 /24 or IPv6 /48, or not at all. */
export const reduce = (address: string, detail: AddressDetail): string | null => {
  if (detail === "none" || address === "") return null
  if (detail === "full") return address
  const literal = Option.getOrUndefined(canonical(address))
  if (literal === undefined) return null
  return literal.includes(":")
    ? `${limiterKey(literal).split(":").slice(0, 3).join(":")}::`
    : `${literal.split(".").slice(0, 3).join(".")}.0`
}
