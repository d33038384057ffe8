/** TSIG keys in the node's key database, put there through its own store. */
import { Effect } from "effect"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import * as SqlTsigKeyStore from "../../src/sql/SqlTsigKeyStore.ts"
import { key } from "./Updating.ts"
import { zone } from "./Workload.ts"

/** The drivers' key, which may write the whole zone, and as many others as make `count`. */
export const addTsigKeys = (db: string, count: number): Promise<void> => {
  const put = Effect.gen(function* () {
    const store = yield* TsigKeyStore
    for (let i = 0; i < count; i++)
      yield* store.put({
        name: i === 0 ? key.name : `user-${i}.${zone}`,
        algorithm: key.algorithm,
        secret: key.secret,
        allowedSuffixes: [i === 0 ? zone : `user-${i}.${zone}`],
        createdAt: Math.floor(performance.timeOrigin / 1000),
        expiresAt: 0,
        revoked: false,
        subject: "",
        registeredSpk: "",
        registeredX25519Pub: ""
      })
  })
  const path = db.replace(/\.db$/, "_tsig.db")
  return Effect.runPromise(Effect.provide(put, SqlTsigKeyStore.layerFile(path)))
}
