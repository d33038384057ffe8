/**
 * Which class of writer an owner name is for. Pure and closed: a name that fits no user
 * shape in full is for the operator, and so is every name outside the served zones, where
 * this node has no say.
 */
import { isWithin, withoutTrailingDots } from "../wire/Name.ts"
import * as Subject from "./Subject.ts"

/** What a token must show to write an owner-exclusive name. */
export type Ownership =
  | { readonly _tag: "BySubject"; readonly subject: string }
  | { readonly _tag: "ByLocalHash"; readonly hash: string; readonly domain: string }
  | { readonly _tag: "ByPrekeyHash"; readonly hash: string }

export type NameClass =
  | { readonly _tag: "Owner"; readonly by: Ownership }
  | { readonly _tag: "Pool"; readonly shape: "slot" | "chunk" | "claim" }
  | { readonly _tag: "Operator"; readonly reason: string }
  | { readonly _tag: "Unknown"; readonly reason: string }

export interface Holder {
  readonly subject: Subject.Subject
  /** First 12 hex digits of SHA-256 of the X25519 key the operator tied to the token. */
  readonly subjectHash12: string | null
}

const characters = /^[a-z0-9.-]+$/
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const identity = /^id-([0-9a-f]{16})$/
const prekeyPool = /^id-([0-9a-f]{12})$/
const prekey = /^pk-[0-9]{1,10}$/
const hex12 = /^[0-9a-f]{12}$/
const mailbox = /^mb-[0-9a-f]{12}$/
// One digit: senders use slots 0 to 9, and an unbounded number would be an unbounded pool.
const slot = /^slot-[0-9]$/
const claim = /^claim-[0-9]$/
const chunk = /^chunk-[0-9]{4,5}-[0-9a-f]{12}$/

const unknown = (reason: string): NameClass => ({ _tag: "Unknown", reason })
const operator = (reason: string): NameClass => ({ _tag: "Operator", reason })
const owner = (by: Ownership): NameClass => ({ _tag: "Owner", by })
const pool = (shape: "slot" | "chunk" | "claim"): NameClass => ({ _tag: "Pool", shape })

/**
 * Lower case without trailing dots, the spelling `classify` wants. Only ASCII letters change:
 * what merely folds to one of them stays foreign.
 */
export const canonical = (name: string): string =>
  withoutTrailingDots(name).replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** Classifies a canonical name. No served zone at all means that every zone is served. */
export const classify = (name: string, servedZones: ReadonlyArray<string>): NameClass => {
  if (name === "") return unknown("empty name")
  if (name.length > 253) return unknown("name too long")
  if (!characters.test(name)) return unknown("characters outside letters, digits, - and .")
  const labels = name.split(".")
  if (labels.includes("")) return unknown("empty label")
  if (labels.length < 2) return unknown("single label")
  if (!labels.every((part) => label.test(part))) return operator("not a host name")
  const shaped = byShape(labels)
  if (shaped._tag !== "Owner" && shaped._tag !== "Pool") return shaped
  return servedZones.length === 0 || servedZones.some((zone) => isWithin(name, zone))
    ? shaped
    : operator("outside the served zone")
}

const byShape = (labels: ReadonlyArray<string>): NameClass => {
  const [first = "", second = "", third = ""] = labels
  /** Behind the first `count` labels there is a domain, of two labels or more. */
  const hasDomain = (count: number): boolean => labels.length >= count + 2
  const domain = (count: number): string => labels.slice(count).join(".")

  if (first === "dmp" && hasDomain(2))
    return owner({ _tag: "BySubject", subject: `${second}@${domain(2)}` })
  const ownId = identity.exec(first)?.[1]
  if (ownId !== undefined && hasDomain(1))
    return owner({ _tag: "ByLocalHash", hash: ownId, domain: domain(1) })
  const poolId = prekeyPool.exec(second)?.[1]
  if (first === "prekeys" && poolId !== undefined && hasDomain(2))
    return owner({ _tag: "ByLocalHash", hash: poolId, domain: domain(2) })
  if (first === "rotate" && second === "dmp" && hasDomain(3))
    return prekeyPool.test(third)
      ? operator("rotation of a hashed anchor")
      : owner({ _tag: "BySubject", subject: `${third}@${domain(3)}` })
  // Clients announce the rotation of a hashed identity right above the identity itself.
  const rotatedId = identity.exec(second)?.[1]
  if (first === "rotate" && rotatedId !== undefined && hasDomain(2))
    return owner({ _tag: "ByLocalHash", hash: rotatedId, domain: domain(2) })
  if (prekey.test(first) && hex12.test(second) && hasDomain(2))
    return owner({ _tag: "ByPrekeyHash", hash: second })
  if (slot.test(first) && mailbox.test(second) && hasDomain(2)) return pool("slot")
  if (claim.test(first) && mailbox.test(second) && hasDomain(2)) return pool("claim")
  if (chunk.test(first) && hasDomain(1)) return pool("chunk")
  return operator("not a name users write")
}

/** True when `holder` is the one an owner-exclusive name belongs to. */
export const owns = (holder: Holder, by: Ownership): boolean => {
  switch (by._tag) {
    case "BySubject":
      return holder.subject === by.subject
    case "ByLocalHash":
      return (
        Subject.domain(holder.subject) === by.domain &&
        Subject.hexHash(by.hash.length, Subject.local(holder.subject)) === by.hash
      )
    case "ByPrekeyHash":
      return holder.subjectHash12 !== null && holder.subjectHash12 === by.hash
  }
}
