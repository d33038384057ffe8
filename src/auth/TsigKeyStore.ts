/**
 * The durable TSIG keys. Who a subject belongs to is not decided here but by
 * `auth/OwnershipStore`, before a key is put. `layerMemory` is the reference; every adapter
 * passes `test/auth/TsigKeyStoreSuite.ts`. Arguments and results are plain data, so that an
 * adapter may live on another thread.
 */
import { Context, Effect, Layer } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import { canonicalName, isActive, type TsigKey } from "./TsigKey.ts"

export interface TsigKeyStoreShape {
  /** Another number than before once anybody, this process or another, has written. Cheap. */
  readonly revision: Effect.Effect<number, StoreError>
  /** Every key, dead ones included, by name. */
  readonly list: Effect.Effect<ReadonlyArray<TsigKey>, StoreError>
  readonly find: (name: string) => Effect.Effect<TsigKey | undefined, StoreError>
  /** Inserts `key`, or overwrites the one of its name: the old secret is dead at once. */
  readonly put: (key: TsigKey) => Effect.Effect<void, StoreError>
  /**
   * Gives the key a new secret, if it is live at `now`; false when it is not. In one step, so that
   * a revocation in the same moment stands.
   */
  readonly rekey: (
    name: string,
    secret: Uint8Array,
    now: number
  ) => Effect.Effect<boolean, StoreError>
  /** False when there is no such key or it was revoked before. */
  readonly revoke: (name: string) => Effect.Effect<boolean, StoreError>
  /** How many keys were revoked. */
  readonly revokeSubject: (subject: string) => Effect.Effect<number, StoreError>
  /** False when there is no such key. */
  readonly rescope: (
    name: string,
    allowedSuffixes: ReadonlyArray<string>
  ) => Effect.Effect<boolean, StoreError>
  /**
   * Forgets at most `limit` keys that were over `retention` seconds before `now`, or were seen
   * revoked by a call as long ago: files of other releases do not say since when; yields how many.
   */
  readonly purge: (
    now: number,
    retention: number,
    limit: number
  ) => Effect.Effect<number, StoreError>
}

const memory = (keys: Map<string, TsigKey>): TsigKeyStoreShape => {
  let revision = 0
  /** When a purge first saw a key revoked. */
  const seenRevoked = new Map<string, number>()
  const write = (key: TsigKey): void => {
    revision++
    keys.set(key.name, key)
  }
  const revokeWhere = (matches: (key: TsigKey) => boolean): number => {
    const found = [...keys.values()].filter((key) => !key.revoked && matches(key))
    for (const key of found) write({ ...key, revoked: true })
    return found.length
  }
  return {
    revision: Effect.sync(() => revision),
    list: Effect.sync(() =>
      [...keys.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    ),
    find: (name) => Effect.sync(() => keys.get(canonicalName(name))),
    put: (key) => Effect.sync(() => write({ ...key, name: canonicalName(key.name) })),
    rekey: (name, secret, now) =>
      Effect.sync(() => {
        const key = keys.get(canonicalName(name))
        if (key === undefined || !isActive(key, now)) return false
        write({ ...key, secret })
        return true
      }),
    revoke: (name) => Effect.sync(() => revokeWhere((key) => key.name === canonicalName(name)) > 0),
    revokeSubject: (subject) =>
      Effect.sync(() => revokeWhere((key) => subject !== "" && key.subject === subject)),
    rescope: (name, allowedSuffixes) =>
      Effect.sync(() => {
        const key = keys.get(canonicalName(name))
        if (key !== undefined) write({ ...key, allowedSuffixes })
        return key !== undefined
      }),
    purge: (now, retention, limit) =>
      Effect.sync(() => {
        for (const name of seenRevoked.keys())
          if (keys.get(name)?.revoked !== true) seenRevoked.delete(name)
        for (const key of keys.values())
          if (key.revoked && !seenRevoked.has(key.name)) seenRevoked.set(key.name, now)
        const over = [...keys.values()]
          .filter(
            ({ expiresAt, name }) =>
              (seenRevoked.get(name) ?? Infinity) <= now - retention ||
              (expiresAt !== 0 && expiresAt <= now - retention)
          )
          .slice(0, limit)
        for (const { name } of over) keys.delete(name)
        if (over.length > 0) revision++
        return over.length
      })
  }
}

export class TsigKeyStore extends Context.Tag("dnsmesh/auth/TsigKeyStore")<
  TsigKeyStore,
  TsigKeyStoreShape
>() {
  static readonly layerMemory = Layer.sync(TsigKeyStore, () => memory(new Map()))
}
