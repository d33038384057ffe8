/**
 * What the zone itself says about whose subject it is: the self-signed identities at its
 * names, and the co-signed rotations that lead from one key to another.
 */
import { Either } from "effect"
import * as Identity from "../dmp/Identity.ts"
import * as Revocation from "../dmp/Revocation.ts"
import * as Rotation from "../dmp/Rotation.ts"
import * as Name from "../wire/Name.ts"
import * as Subject from "./Subject.ts"

/** The live values at an owner name. */
export type Values = (owner: Name.Name) => ReadonlyArray<string>

/** Generations a chain may have. */
const maxChain = 32

const hex = (key: Uint8Array): string => Buffer.from(key).toString("hex")

/** The names a subject's identity may stand at. A local part with dots or signs has one only. */
const identityNames = (subject: Subject.Subject): ReadonlyArray<Name.Name> => {
  const domain = Subject.domain(subject)
  return [`id-${Subject.hash16(subject)}.${domain}`, `dmp.${Subject.local(subject)}.${domain}`]
    .map(Name.parse)
    .flatMap((name) => (name._tag === "Some" ? [name.value] : []))
}

/** Keys (64 hex digits) of the sound identities published for `subject`. */
export const identityKeys = (subject: Subject.Subject, values: Values): ReadonlySet<string> => {
  const keys = identityNames(subject)
    .flatMap(values)
    .map(Identity.verify)
    .flatMap((read) =>
      Either.isRight(read) && read.right.username.toLowerCase() === Subject.local(subject)
        ? [hex(read.right.ed25519Spk)]
        : []
    )
  return new Set(keys)
}

/**
 * Keys (64 hex digits) from which co-signed rotations published for `subject` lead to `spk`.
 * A key that has revoked itself has no forebears: who stole it could have signed for it.
 */
export const predecessors = (
  subject: Subject.Subject,
  spk: string,
  values: Values,
  now: number
): ReadonlyArray<string> => {
  const published = identityNames(subject)
    .map((name) => Name.parse(`rotate.${name}`))
    .flatMap((name) => (name._tag === "Some" ? values(name.value) : []))
  const revoked = new Set(
    published
      .map((text) => Revocation.verify(text, now))
      .flatMap((read) => (Either.isRight(read) ? [hex(read.right.revokedSpk)] : []))
  )
  if (revoked.has(spk)) return []
  const handovers = published
    .map((text) => Rotation.verify(text, now))
    .flatMap((read) =>
      Either.isRight(read) &&
      read.right.subject.kind === "user" &&
      read.right.subject.name.toLowerCase() === subject
        ? [{ from: hex(read.right.oldSpk), to: hex(read.right.newSpk) }]
        : []
    )
  const chain = [spk]
  for (let at = 0; at < chain.length && at < maxChain; at++)
    for (const { from, to } of handovers)
      if (to === chain[at] && !chain.includes(from)) chain.push(from)
  return chain.slice(1)
}
