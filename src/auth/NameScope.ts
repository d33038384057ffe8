/**
 * The names a TSIG key may write: exact names with all below them, and patterns for the
 * names that senders share. Pure. Invariant: a pattern never grants a delete, and never a
 * name that is not of its exact shape.
 */
import { isWithin, type Name } from "../wire/Name.ts"
import { type Operation, WriteGrant } from "../zone/WriteGrant.ts"
import * as Subject from "./Subject.ts"
import type { TsigKey } from "./TsigKey.ts"
import * as WriterQuota from "./WriterQuota.ts"

/** Lower case, without trailing dots or one leading dot; "" authorises nothing. */
export const normalForm = (suffix: string): string =>
  suffix.trim().toLowerCase().replace(/\.+$/, "").replace(/^\./, "")

export type Scope =
  | { readonly _tag: "Suffix"; readonly suffix: string }
  | { readonly _tag: "Pattern"; readonly matches: (owner: string) => boolean }

interface SharedShape {
  /** Patterns that begin like this are for names of this shape only. */
  readonly prefix: string
  readonly labels: number
  readonly shape: RegExp
}

// What the shared names look like, whatever their pattern's stars would let through: clients
// use slots 0 to 9 and hashes of fixed length, and each further shape is room for junk.
const sharedShapes: ReadonlyArray<SharedShape> = [
  { prefix: "slot-", labels: 2, shape: /^slot-[0-9]\.mb-[0-9a-f]{12}$/ },
  { prefix: "claim-", labels: 2, shape: /^claim-[0-9]\.mb-[0-9a-f]{12}$/ },
  { prefix: "chunk-", labels: 1, shape: /^chunk-[0-9]{4,5}-[0-9a-f]{12}$/ },
  { prefix: "_dnsmesh-claim-", labels: 1, shape: /^_dnsmesh-claim-[0-9a-f]{16}$/ }
]

const hasShape = ({ labels, shape }: SharedShape, owner: string): boolean =>
  shape.test(owner.split(".").slice(0, labels).join("."))

/**
 * True when `label` is `parts` with one or more characters between each two. Takes the first
 * place each part fits, which is as good as any other and needs no way back.
 */
const isJoined = (parts: ReadonlyArray<string>, label: string): boolean => {
  const [first = "", ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return label === first
  if (!label.startsWith(first) || !label.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = label.indexOf(part, at + 1)
    if (found < 0) return false
    at = found + part.length
  }
  return at + 1 <= label.length - last.length
}

/** A star stands for one or more characters inside one label; the number of labels is exact. */
const pattern = (suffix: string): Scope => {
  const wanted = suffix.split(".").map((label) => label.split("*"))
  const shared = sharedShapes.find(({ prefix }) => suffix.startsWith(prefix))
  return {
    _tag: "Pattern",
    matches: (owner) => {
      const labels = owner.split(".")
      return (
        labels.length === wanted.length &&
        wanted.every((parts, at) => isJoined(parts, labels[at] ?? "")) &&
        (shared === undefined || hasShape(shared, owner))
      )
    }
  }
}

/** The usable scopes among a key's suffixes. */
export const compile = (suffixes: ReadonlyArray<string>): ReadonlyArray<Scope> =>
  suffixes
    .map(normalForm)
    .filter((suffix) => suffix !== "" && suffix.length <= 253)
    .map((suffix) => (suffix.includes("*") ? pattern(suffix) : { _tag: "Suffix" as const, suffix }))

/** True when a scope that is no pattern covers `owner`: its holder's alone. */
export const owns = (scopes: ReadonlyArray<Scope>, owner: string): boolean =>
  scopes.some((scope) => scope._tag === "Suffix" && isWithin(owner, scope.suffix))

export const allows = (
  scopes: ReadonlyArray<Scope>,
  operation: Operation,
  owner: string
): boolean =>
  owns(scopes, owner) ||
  (operation === "add" && scopes.some((scope) => scope._tag === "Pattern" && scope.matches(owner)))

/**
 * What the holder, `who` to its quota, may change. `added` are the owners this request adds to: a writer of
 * shared names must not cut the life of what others put there, and stays unnamed.
 */
export const grant = (
  who: string,
  scopes: ReadonlyArray<Scope>,
  added: ReadonlyArray<Name>,
  registeredSpk = ""
): WriteGrant => {
  const own = added.every((owner) => owns(scopes, owner))
  return new WriteGrant({
    subject: own ? who : "user",
    allows: (operation, owner) => allows(scopes, operation, owner),
    mayShorten: own,
    ignoresTtlCap: false,
    quota: WriterQuota.make(who, (owner) => owns(scopes, owner)),
    ...(registeredSpk === "" ? {} : { registeredSpk })
  })
}

export type ScopeWidth = "loose" | "default" | "tight"

/**
 * The suffixes a newly registered key gets in `zone`, sorted. The names hashed from the local
 * part go only to subjects of the zone itself: the same local part of another domain has the
 * same hash. `x25519Pub` (64 hex digits) must be proven.
 */
export const minted = (options: {
  readonly subject: Subject.Subject
  readonly zone: Name
  readonly spk: string
  readonly x25519Pub: string | undefined
  readonly width: ScopeWidth
}): ReadonlyArray<string> => {
  const { spk, subject, width, x25519Pub, zone } = options
  if (width === "loose") return [zone]
  const user = Subject.local(subject)
  const suffixes = [`_dnsmesh-claim-${spk.slice(0, 16)}.${zone}`]
  if (Subject.domain(subject) === zone) {
    suffixes.push(`id-${Subject.hash16(subject)}.${zone}`, `id-${Subject.hash12(subject)}.${zone}`)
    // The anchored identity, with its rotation below it.
    if (/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(user)) suffixes.push(`dmp.${user}.${zone}`)
  }
  if (x25519Pub !== undefined) suffixes.push(`mb-${mailboxOf(x25519Pub)}.${zone}`)
  if (width === "default")
    for (const shared of ["_dnsmesh-claim-*", "slot-*.mb-*", "chunk-*-*", "claim-*.mb-*"])
      suffixes.push(`${shared}.${zone}`)
  return suffixes.sort()
}

/** The mailbox hash of an X25519 key: the recipient id is its SHA-256, the label hashes that. */
export const mailboxOf = (x25519Pub: string): string =>
  Subject.hexHash(12, Buffer.from(Subject.hexHash(64, Buffer.from(x25519Pub, "hex")), "hex"))

const mailboxScope = /^(?:mb-[^.]+|(?:slot|claim)-[^.]+\.mb-[^.]+)$/
const x25519Hex = /^[0-9a-f]{64}$/
const mailboxLabel = /^mb-([0-9a-f]{12})$/

/**
 * Hashes of the mailboxes directly in `zone` that are the key's holder's, so that others may
 * leave claims there. Scopes of child zones and of identities alone speak for no mailbox.
 */
export const recipients = (key: TsigKey, zone: Name): ReadonlySet<string> => {
  const below = key.allowedSuffixes
    .map(normalForm)
    .filter((suffix) => isWithin(suffix, zone))
    .map((suffix) => (suffix === zone ? "" : suffix.slice(0, -zone.length - 1)))
  const hashes = new Set(below.flatMap((labels) => mailboxLabel.exec(labels)?.[1] ?? []))
  if (
    x25519Hex.test(key.registeredX25519Pub) &&
    below.some((labels) => labels === "" || mailboxScope.test(labels))
  )
    hashes.add(mailboxOf(key.registeredX25519Pub))
  return hashes
}
