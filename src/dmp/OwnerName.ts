/**
 * What an owner name says about the record it holds. Invariant: takes canonical names (lower
 * case, no trailing dot) and reads them alone: no zone, no store, no clock.
 */
import * as Ed25519 from "./Ed25519.ts"

/** Names whose key can be rotated or revoked, one label below, at `rotate.`. */
export type RotateOf =
  | { readonly _tag: "Identity"; readonly hash16: string; readonly domain: string }
  | { readonly _tag: "AnchoredIdentity"; readonly domain: string }
  | { readonly _tag: "Cluster"; readonly name: string }
  | { readonly _tag: "Bootstrap"; readonly domain: string }

export type OwnerName =
  | RotateOf
  | { readonly _tag: "Prekeys"; readonly hash12: string; readonly domain: string }
  | {
      readonly _tag: "Slot"
      readonly slot: number
      /** `hex12` of the recipient id. */
      readonly mailbox: string
      readonly zone: string
    }
  | {
      readonly _tag: "Chunk"
      readonly index: number
      /** `hex12` of message id, recipient id and sender key. */
      readonly message: string
      readonly zone: string
    }
  | {
      readonly _tag: "Claim"
      readonly slot: number
      /** `hex12` of the recipient id. */
      readonly mailbox: string
      readonly zone: string
    }
  | { readonly _tag: "Rotate"; readonly of: RotateOf }
  | { readonly _tag: "Heartbeat"; readonly zone: string }
  | { readonly _tag: "Seen"; readonly zone: string }
  | { readonly _tag: "Other" }

const other: OwnerName = { _tag: "Other" }

type Recogniser = readonly [RegExp, (part: (at: number) => string) => OwnerName]

const rotatable: ReadonlyArray<readonly [RegExp, (part: (at: number) => string) => RotateOf]> = [
  [/^id-([0-9a-f]{16})\.(.+)$/, (part) => ({ _tag: "Identity", hash16: part(1), domain: part(2) })],
  [/^dmp\.(.+)$/, (part) => ({ _tag: "AnchoredIdentity", domain: part(1) })],
  [/^cluster\.(.+)$/, (part) => ({ _tag: "Cluster", name: part(1) })],
  [/^_dmp\.(.+)$/, (part) => ({ _tag: "Bootstrap", domain: part(1) })]
]

const recognisers: ReadonlyArray<Recogniser> = [
  [
    /^slot-([0-9])\.mb-([0-9a-f]{12})\.(.+)$/,
    (part) => ({ _tag: "Slot", slot: Number(part(1)), mailbox: part(2), zone: part(3) })
  ],
  [
    /^chunk-([0-9]{4,5})-([0-9a-f]{12})\.(.+)$/,
    (part) => ({ _tag: "Chunk", index: Number(part(1)), message: part(2), zone: part(3) })
  ],
  [
    /^claim-([0-9])\.mb-([0-9a-f]{12})\.(.+)$/,
    (part) => ({ _tag: "Claim", slot: Number(part(1)), mailbox: part(2), zone: part(3) })
  ],
  [
    /^prekeys\.id-([0-9a-f]{12})\.(.+)$/,
    (part) => ({ _tag: "Prekeys", hash12: part(1), domain: part(2) })
  ],
  [/^_dnsmesh-heartbeat\.(.+)$/, (part) => ({ _tag: "Heartbeat", zone: part(1) })],
  [/^_dnsmesh-seen\.(.+)$/, (part) => ({ _tag: "Seen", zone: part(1) })],
  ...rotatable
]

/** The shape of `owner`, with its parameters; `Other` when it is not exactly one of them. */
export const recognise = (owner: string): OwnerName => {
  if (owner.startsWith("rotate.")) {
    const of = first(rotatable, owner.slice("rotate.".length))
    return of === undefined ? other : { _tag: "Rotate", of }
  }
  return first(recognisers, owner) ?? other
}

const first = <A>(
  candidates: ReadonlyArray<readonly [RegExp, (part: (at: number) => string) => A]>,
  owner: string
): A | undefined => {
  for (const [shape, make] of candidates) {
    const match = shape.exec(owner)
    if (match !== null) return make((at) => match[at] ?? "")
  }
  return undefined
}

const reserved =
  /^(?:slot-\d+\.mb-[0-9a-f]+\.|chunk-\d+-[0-9a-f]+\.|mb-[0-9a-f]+\.|id-[0-9a-f]+\.|prekeys\.id-[0-9a-f]+\.|claim-\d+\.mb-[0-9a-f]+\.|_dnsmesh-|cluster\.|_dmp\.|dmp\.|rotate\.)/

/**
 * True for names only mesh records belong at. Wider than `recognise`: any digit count, as
 * released nodes draw the line.
 */
export const isReserved = (owner: string): boolean => reserved.test(owner.toLowerCase())

/** First 12 hex digits of the SHA-256 of `octets`: mailbox, chunk and prekey labels. */
export const hex12 = (octets: Uint8Array): string => hex(octets).slice(0, 12)

/** First 16 hex digits of the SHA-256 of `octets`: identity labels, over the user name as typed. */
export const hex16 = (octets: Uint8Array): string => hex(octets).slice(0, 16)

/** The mailbox label of an X25519 public key: two rounds, the recipient id being the first. */
export const mailboxOf = (x25519PublicKey: Uint8Array): string =>
  hex12(Ed25519.sha256(x25519PublicKey))

const hex = (octets: Uint8Array): string => Buffer.from(Ed25519.sha256(octets)).toString("hex")
