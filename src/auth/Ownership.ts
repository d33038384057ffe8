/**
 * The one rule of who a subject belongs to, for tokens, TSIG keys and what the operator
 * issues: a (domain, local part) has one Ed25519 key, and keeps it past the end of its last
 * credential. Pure: stores apply `decide` inside the transaction that mints.
 */
import * as Subject from "./Subject.ts"

/** A subject that is held. Times are whole Unix seconds. */
export interface Owner {
  readonly subject: Subject.Subject
  /** Ed25519 key, 64 lower-case hex digits; null while only the operator has spoken for it. */
  readonly spk: string | null
  /** When this key took the subject. */
  readonly since: number
  /** Others may take the subject from then on; null means never. */
  readonly reservedUntil: number | null
  /** Set for a subject, and its key, that may not hold any credential. */
  readonly bannedAt: number | null
  /** Why the operator intervened; empty otherwise. */
  readonly note: string
}

/** What somebody asks for: the subject, on the strength of a proven key or of being the operator. */
export interface Claim {
  readonly subject: Subject.Subject
  /** The proven key; null when the operator issues without one. */
  readonly spk: string | null
  readonly now: number
  /** How long the credential that goes with the claim keeps the subject reserved; null for ever. */
  readonly reservedUntil: number | null
  /** Keys from which a co-signed chain of rotations leads to `spk`. */
  readonly predecessors: ReadonlyArray<string>
  /** Keys of the identities published for the subject; who takes it first must hold one, if any. */
  readonly published: ReadonlyArray<string>
}

export type Refusal = "taken" | "banned" | "hash-collision"

/** What the store knows that bears on a claim. */
export interface Facts {
  readonly held: Owner | undefined
  /** Others of the same domain with the same 12 (and so maybe 16) hash digits. */
  readonly sameHash: ReadonlyArray<Owner>
  /** True when the claim's key is banned, under whichever subject. */
  readonly keyBanned: boolean
}

/** True while nobody else may take what `owner` holds. */
export const isReserved = (owner: Owner, now: number): boolean =>
  owner.bannedAt !== null || owner.reservedUntil === null || owner.reservedUntil > now

/** True for two subjects whose hashed names are the same. */
export const collides = (a: Subject.Subject, b: Subject.Subject): boolean =>
  a !== b && Subject.domain(a) === Subject.domain(b) && Subject.hash12(a) === Subject.hash12(b)

/** The later of two reservations. */
export const later = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : Math.max(a, b)

/** The owner there is once the claim is granted, or why it is not. */
export const decide = (claim: Claim, facts: Facts): Owner | Refusal => {
  const { held, keyBanned, sameHash } = facts
  if (keyBanned || (held !== undefined && held.bannedAt !== null)) return "banned"
  // Identity and prekey names are hashes of the local part alone: two subjects with one hash
  // would write over each other.
  if (sameHash.some((other) => isReserved(other, claim.now))) return "hash-collision"
  const fresh: Owner = {
    subject: claim.subject,
    spk: claim.spk,
    since: claim.now,
    reservedUntil: claim.reservedUntil,
    bannedAt: null,
    note: ""
  }
  if (held === undefined) return isPublishedBy(claim) ? fresh : "taken"
  const kept = later(held.reservedUntil, claim.reservedUntil)
  if (claim.spk === null || claim.spk === held.spk) return { ...held, reservedUntil: kept }
  if (held.spk !== null && claim.predecessors.includes(held.spk))
    return { ...held, spk: claim.spk, since: claim.now, reservedUntil: kept }
  return isReserved(held, claim.now) || !isPublishedBy(claim) ? "taken" : fresh
}

const isPublishedBy = ({ predecessors, published, spk }: Claim): boolean =>
  spk === null ||
  published.length === 0 ||
  published.some((key) => key === spk || predecessors.includes(key))

/** True when the subject went from one key to another: what the former holds must end. */
export const changedHands = (before: Owner | undefined, after: Owner): boolean =>
  before !== undefined && before.spk !== null && before.spk !== after.spk

/** The owner row of a banned subject; a ban outlasts every reservation. */
export const banned = (
  subject: Subject.Subject,
  held: Owner | undefined,
  now: number,
  note: string
): Owner => ({
  subject,
  spk: held?.spk ?? null,
  since: held?.since ?? now,
  reservedUntil: null,
  bannedAt: held?.bannedAt ?? now,
  note
})

/** The owner row after the operator gave the subject to `spk`; the reservation stays. */
export const transferred = (
  subject: Subject.Subject,
  held: Owner | undefined,
  spk: string,
  now: number,
  note: string
): Owner => ({
  subject,
  spk,
  since: now,
  reservedUntil: held === undefined || held.bannedAt !== null ? null : held.reservedUntil,
  bannedAt: null,
  note
})

/**
 * The owner row of a subject anybody may take. It stays, because the tokens it once had do: a
 * database without it would give the subject back to whom they name.
 */
export const released = (subject: Subject.Subject, now: number): Owner => ({
  subject,
  spk: null,
  since: now,
  reservedUntil: now,
  bannedAt: null,
  note: "released"
})
