/**
 * The TSIG keys in memory, by name. Invariant: a change made by anybody, another process
 * included, counts within `pollInterval`; one made by this process as soon as it calls
 * `reread`. A store that cannot be read leaves the last known keys in force.
 */
import { Context, Effect, Either, Layer } from "effect"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import type { Key } from "../wire/Tsig.ts"
import type { Name } from "../wire/Name.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import * as NameScope from "./NameScope.ts"
import { canonicalName, isActive, toWire, type TsigKey } from "./TsigKey.ts"
import { TsigKeyStore, type TsigKeyStoreShape } from "./TsigKeyStore.ts"

const pollInterval = "500 millis"

// Requests under unknown keys or with wrong MACs make us look into the store for a key that
// is newer than our index; no more often than this, all senders together.
const rereads = { rate: 20, burst: 40 }

/** A key ready for use. */
export class IndexedKey {
  readonly row: TsigKey
  readonly wire: Key
  #scopes: ReadonlyArray<NameScope.Scope> | undefined
  readonly #recipients = new Map<Name, ReadonlySet<string>>()

  constructor(row: TsigKey, wire: Key) {
    this.row = row
    this.wire = wire
  }

  get scopes(): ReadonlyArray<NameScope.Scope> {
    return (this.#scopes ??= NameScope.compile(this.row.allowedSuffixes))
  }

  recipients(zone: Name): ReadonlySet<string> {
    let hashes = this.#recipients.get(zone)
    if (hashes === undefined) {
      hashes = NameScope.recipients(this.row, zone)
      this.#recipients.set(zone, hashes)
    }
    return hashes
  }
}

const sameRow = (a: TsigKey, b: TsigKey): boolean =>
  a.algorithm === b.algorithm &&
  Buffer.compare(a.secret, b.secret) === 0 &&
  a.allowedSuffixes.join("\n") === b.allowedSuffixes.join("\n") &&
  a.expiresAt === b.expiresAt &&
  a.revoked === b.revoked &&
  a.subject === b.subject &&
  a.registeredSpk === b.registeredSpk &&
  a.registeredX25519Pub === b.registeredX25519Pub

const indexed = (row: TsigKey, known: IndexedKey | undefined): IndexedKey | undefined =>
  known !== undefined && sameRow(known.row, row)
    ? known
    : Either.match(toWire(row), {
        onLeft: () => undefined,
        onRight: (wire) => new IndexedKey(row, wire)
      })

export interface TsigKeysShape {
  /** Rereads the store if anything has changed there. */
  readonly refresh: Effect.Effect<void, StoreError>
  /** The active key of that name. Synchronous; `now` in Unix seconds. */
  readonly find: (name: string, now: number) => IndexedKey | undefined
  /**
   * Looks the key up in the store. For one this process has just written, and, unless `now`
   * would be too often, for one the index does not know.
   */
  readonly reread: (name: string) => Effect.Effect<void, StoreError>
  readonly rereadIfDue: (name: string) => Effect.Effect<void>
  /** True when the mailbox `hash12`, directly in `zone`, belongs to the holder of an active key. */
  readonly isRecipient: (hash12: string, zone: Name, now: number) => boolean
  readonly size: () => number
}

const make = (store: TsigKeyStoreShape) =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter.make(rereads)
    let keys = new Map<string, IndexedKey>()
    let revision: number | undefined
    // By zone, then mailbox hash: the last second some key speaks for it. Rebuilt when asked.
    const mailboxes = new Map<Name, Map<string, number>>()
    // A refresh that was overtaken by a reread would bring back what is revoked.
    const turn = yield* Effect.makeSemaphore(1)

    const refresh = Effect.gen(function* () {
      const current = yield* store.revision
      if (current === revision) return
      const rows = yield* store.list
      const next = new Map<string, IndexedKey>()
      const unusable: Array<string> = []
      for (const row of rows) {
        const key = indexed(row, keys.get(row.name))
        if (key === undefined) unusable.push(row.name)
        else next.set(row.name, key)
      }
      keys = next
      revision = current
      mailboxes.clear()
      if (unusable.length > 0)
        yield* Effect.logWarning("TSIG keys that cannot be used are ignored", {
          count: unusable.length
        })
    }).pipe(turn.withPermits(1))

    const reread = Effect.fnUntraced(function* (name: string) {
      const canonical = canonicalName(name)
      const row = yield* store.find(canonical)
      const key = row === undefined ? undefined : indexed(row, keys.get(canonical))
      if (key === keys.get(canonical)) return
      if (key === undefined) keys.delete(canonical)
      else keys.set(canonical, key)
      mailboxes.clear()
    }, turn.withPermits(1))

    const mailboxesOf = (zone: Name): Map<string, number> => {
      const known = mailboxes.get(zone)
      if (known !== undefined) return known
      const built = new Map<string, number>()
      for (const key of keys.values()) {
        if (key.row.revoked) continue
        const until = key.row.expiresAt === 0 ? Infinity : key.row.expiresAt
        for (const hash of key.recipients(zone))
          built.set(hash, Math.max(until, built.get(hash) ?? 0))
      }
      mailboxes.set(zone, built)
      return built
    }

    const service: TsigKeysShape = {
      find: (name, now) => {
        const key = keys.get(name)
        return key !== undefined && isActive(key.row, now) ? key : undefined
      },
      refresh,
      reread,
      rereadIfDue: (name) =>
        limiter.allow("") ? Effect.catchAll(reread(name), () => Effect.void) : Effect.void,
      isRecipient: (hash12, zone, now) => (mailboxesOf(zone).get(hash12) ?? 0) > now,
      size: () => keys.size
    }
    return service
  })

export class TsigKeys extends Context.Tag("dnsmesh/auth/TsigKeys")<TsigKeys, TsigKeysShape>() {
  /** Reads the store once, and from then on whenever its revision has moved. */
  static readonly layer = Layer.scoped(
    TsigKeys,
    Effect.gen(function* () {
      const service = yield* make(yield* TsigKeyStore)
      const { refresh } = service
      yield* refresh
      yield* Effect.sleep(pollInterval).pipe(
        Effect.zipRight(refresh),
        Effect.catchAllCause((cause) => Effect.logWarning("TSIG keys were not reread", cause)),
        Effect.forever,
        Effect.forkScoped
      )
      return service
    })
  )
  /** No key store: every key is unknown. */
  static readonly layerEmpty = Layer.succeed(TsigKeys, {
    find: () => undefined,
    refresh: Effect.void,
    reread: () => Effect.void,
    rereadIfDue: () => Effect.void,
    isRecipient: () => false,
    size: () => 0
  })
}
