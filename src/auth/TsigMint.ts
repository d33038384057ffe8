/** The TSIG keys registration hands out: their names, scopes and how they replace each other. */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import type { Name } from "../wire/Name.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Evidence } from "./Inheritance.ts"
import * as NameScope from "./NameScope.ts"
import type { Claim } from "./Ownership.ts"
import * as Subject from "./Subject.ts"
import type { TsigKey } from "./TsigKey.ts"
import type { TsigKeyStoreShape } from "./TsigKeyStore.ts"

/** Longest local part: with two tags of 8 and 6 digits it makes a label of 63 octets. */
export const maxLocal = 47

/** The name of `subject`'s key: the same key pair gets the same name again. No trailing dot. */
export const keyName = (subject: Subject.Subject, spk: string, zone: Name): string =>
  `${Subject.local(subject)}-${spk.slice(0, 8)}-${Subject.hexHash(6, subject)}.${zone}`

/** A new secret of 32 octets. */
export const secret: Effect.Effect<Uint8Array> = Effect.sync(() => new Uint8Array(randomBytes(32)))

/** A new key; none when its name would not be a name. Times in Unix seconds. */
export const make = (options: {
  readonly subject: Subject.Subject
  readonly spk: string
  readonly x25519Pub: string | undefined
  readonly zone: Name
  readonly width: NameScope.ScopeWidth
  readonly now: number
  readonly expiresAt: number | null
}): TsigKey | undefined => {
  const { expiresAt, now, spk, subject, x25519Pub, zone } = options
  const name = keyName(subject, spk, zone)
  if (Subject.local(subject).length > maxLocal || name.length > 253) return undefined
  return {
    name,
    algorithm: "hmac-sha256",
    secret: new Uint8Array(randomBytes(32)),
    allowedSuffixes: NameScope.minted(options),
    createdAt: now,
    expiresAt: expiresAt ?? 0,
    revoked: false,
    subject,
    registeredSpk: spk,
    registeredX25519Pub: x25519Pub ?? ""
  }
}

/**
 * Puts `key` in the place of its predecessor. False when its name is another's: the tags in it
 * are short enough to be searched for.
 */
export const put = (store: TsigKeyStoreShape, key: TsigKey): Effect.Effect<boolean, StoreError> =>
  Effect.gen(function* () {
    const held = yield* store.find(key.name)
    if (held !== undefined && held.subject !== "" && held.subject !== key.subject) return false
    yield* store.put(key)
    return true
  })

/** Revokes the subject's keys that were registered with another Ed25519 key; yields their names. */
export const revokeOthers = (
  store: TsigKeyStoreShape,
  { spk, subject }: Claim
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.flatMap(store.list, (keys) =>
    Effect.forEach(
      keys.filter((key) => key.subject === subject && key.registeredSpk !== spk && !key.revoked),
      (key) => Effect.as(store.revoke(key.name), key.name)
    )
  )

/**
 * What `key` may write without names of people of `zone`, if it has any that are not its
 * holder's: older releases gave every subject the names hashed from its local part alone.
 */
export const withoutForeignNames = (
  key: TsigKey,
  zone: Name
): ReadonlyArray<string> | undefined => {
  const subject = Subject.unsafeMake(key.subject)
  if (Subject.domain(subject) === zone) return undefined
  const foreign = [Subject.hash16(subject), Subject.hash12(subject)].map(
    (hash) => `id-${hash}.${zone}`
  )
  const kept = key.allowedSuffixes.filter((suffix) => !foreign.includes(suffix))
  return kept.length === key.allowedSuffixes.length ? undefined : kept
}

/** What a key kept from older releases says about its subject. */
export const evidence = (key: TsigKey): Evidence => ({
  subject: Subject.unsafeMake(key.subject),
  spk: key.registeredSpk === "" ? null : key.registeredSpk,
  since: key.createdAt,
  endsAt: key.expiresAt === 0 ? null : key.expiresAt,
  revoked: key.revoked
})
