/**
 * How much of a client's address outlives its request. A whole address beside each write lets
 * a reader of the trail join what a user owns to what somebody left in the shared pool.
 */
import { Option } from "effect"
import { canonical, limiterKey } from "../runtime/IpAddress.ts"

export type AddressDetail = "full" | "network" | "none"

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
