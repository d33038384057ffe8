/**
 * A `TsigKeyStore` whose secrets are sealed before they reach the store beneath. Rows from
 * before there was a seal key work on and are sealed when they are next written. A secret that
 * does not open becomes empty, with which nothing can be signed.
 */
import { Effect, Layer, Option, Redacted } from "effect"
import type { TsigKey } from "./TsigKey.ts"
import { TsigKeyStore, type TsigKeyStoreShape } from "./TsigKeyStore.ts"
import * as TsigSeal from "./TsigSeal.ts"
import { UpdateConfig } from "./UpdateConfig.ts"

const opened = (row: TsigKey, sealKey: Option.Option<TsigSeal.SealKey>): TsigKey =>
  TsigSeal.isSealed(row.secret)
    ? {
        ...row,
        secret: Option.flatMap(sealKey, (key) => TsigSeal.unseal(row.secret, row.name, key)).pipe(
          Option.getOrElse(() => new Uint8Array(0))
        )
      }
    : row

/** `store` with its secrets opened, and sealed on the way in if there is a key to do it with. */
export const over = (
  store: TsigKeyStoreShape,
  sealKey: Option.Option<TsigSeal.SealKey>
): TsigKeyStoreShape => {
  const sealed = (secret: Uint8Array, name: string) =>
    Option.match(sealKey, {
      onNone: () => secret,
      onSome: (key) => TsigSeal.seal(secret, name, key)
    })
  return {
    ...store,
    list: Effect.map(store.list, (rows) => rows.map((row) => opened(row, sealKey))),
    find: (name) => Effect.map(store.find(name), (row) => row && opened(row, sealKey)),
    put: (row) => store.put({ ...row, secret: sealed(row.secret, row.name) }),
    rekey: (name, secret, now) => store.rekey(name, sealed(secret, name), now)
  }
}

/** Stands between the store and everybody who uses it. */
export const layer: Layer.Layer<TsigKeyStore, never, TsigKeyStore | UpdateConfig> = Layer.effect(
  TsigKeyStore,
  Effect.map(Effect.all([TsigKeyStore, UpdateConfig]), ([store, { sealKey }]) =>
    over(
      store,
      Option.flatMap(sealKey, (text) => TsigSeal.parseKey(Redacted.value(text)))
    )
  )
)
