/** A user's TSIG key as it is kept: a shared secret and the names it may write. */
import { Either } from "effect"
import * as Tsig from "../wire/Tsig.ts"
import type { WireError } from "../wire/WireName.ts"

/** Times are whole Unix seconds. */
export interface TsigKey {
  /** Lower case, no trailing dot. Not always a `Name`: local parts may hold `+` and `_`. */
  readonly name: string
  /** As in RFC 8945 §6, lower case; possibly one this node refuses. */
  readonly algorithm: string
  readonly secret: Uint8Array
  /** Names and patterns, see `auth/NameScope`; none authorises nothing. */
  readonly allowedSuffixes: ReadonlyArray<string>
  readonly createdAt: number
  /** 0 never ends. */
  readonly expiresAt: number
  readonly revoked: boolean
  /** `local@fqdn`, or empty for a key nobody registered. */
  readonly subject: string
  /** The Ed25519 key that registered, 64 lower-case hex digits, or empty. */
  readonly registeredSpk: string
  /** The X25519 key the registrant proved to hold, 64 lower-case hex digits, or empty. */
  readonly registeredX25519Pub: string
}

/** True while the key signs anything. */
export const isActive = (key: TsigKey, now: number): boolean =>
  !key.revoked && (key.expiresAt === 0 || key.expiresAt > now)

/** Lower case without trailing dots: how names of keys are compared. */
export const canonicalName = (name: string): string => name.replace(/\.+$/, "").toLowerCase()

/** The key as TSIG uses it, or why it could never sign. */
export const toWire = (key: TsigKey): Either.Either<Tsig.Key, WireError> =>
  Tsig.makeKey(key.name, key.algorithm, key.secret)
