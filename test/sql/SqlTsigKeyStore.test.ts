/** The TSIG key database over SQLite: the contract, files of other releases, and who may read them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import { mkdtempSync, readdirSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { OpenError } from "../../src/sql/OpenError.ts"
import * as SqlTsigKeyStore from "../../src/sql/SqlTsigKeyStore.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import { keyFor, suite } from "../auth/TsigKeyStoreSuite.ts"
import { ask, beside } from "../fixtures/Databases.ts"

const freshPath = () => join(mkdtempSync(join(tmpdir(), "tsig-")), "data", "dmp_tsig.db")
const over = (path: string) =>
  Layer.scoped(
    TsigKeyStore,
    Effect.map(
      SqlTsigKeyStore.hosted.open(path),
      (members) =>
        // The description names every member of the contract.
        Object.fromEntries(members) as unknown as TsigKeyStore["Type"]
    )
  )

suite("SqlTsigKeyStore", () => over(freshPath()))

const v1 = `CREATE TABLE tsig_keys (name TEXT PRIMARY KEY,
  algorithm TEXT NOT NULL DEFAULT 'hmac-sha256', secret BLOB NOT NULL,
  allowed_suffixes TEXT NOT NULL DEFAULT '', created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0)`
const row = `INSERT INTO tsig_keys (name, secret, allowed_suffixes, created_at)
  VALUES ('alice-1.mesh.test.', x'00ff10', 'a.test' || char(10) || 'b.test', 7)`
const add = (column: string) =>
  `ALTER TABLE tsig_keys ADD COLUMN ${column} TEXT NOT NULL DEFAULT ''`

const fresh = (...statements: ReadonlyArray<string>) => {
  const path = join(mkdtempSync(join(tmpdir(), "tsig-")), "dmp_tsig.db")
  beside(path, ...statements)
  return path
}

describe("SqlTsigKeyStore files", () => {
  it.effect.each([
    ["1", [v1, row, "PRAGMA user_version = 1"]],
    ["2", [v1, add("subject"), row, "PRAGMA user_version = 2"]],
    ["3", [v1, add("subject"), add("registered_spk"), row, "PRAGMA user_version = 3"]],
    ["0, with all columns", [v1, add("subject"), add("registered_x25519_pub"), row]]
  ] as const)("of version %s are brought to 4 and keep their keys", ([, statements]) => {
    const path = fresh(...statements)
    return Effect.gen(function* () {
      const store = yield* TsigKeyStore
      assert.deepStrictEqual(
        yield* store.find("alice-1.mesh.test"),
        keyFor("alice-1.mesh.test", {
          secret: Uint8Array.of(0, 255, 16),
          allowedSuffixes: ["a.test", "b.test"],
          createdAt: 7,
          subject: "",
          registeredSpk: "",
          registeredX25519Pub: ""
        })
      )
      assert.deepStrictEqual(ask(path, "PRAGMA user_version"), [{ user_version: 4 }])
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("of a newer version are refused and left alone", () => {
    const path = fresh(v1, "PRAGMA user_version = 5")
    return Effect.gen(function* () {
      const opened = yield* Effect.either(Effect.scoped(Layer.build(over(path))))
      assert(Either.isLeft(opened) && opened.left instanceof OpenError)
      assert.strictEqual(opened.left.reason, "newer-schema")
      assert.deepStrictEqual(ask(path, "PRAGMA user_version"), [{ user_version: 5 }])
    })
  })

  it.effect("hold keys as the reference spells them", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const store = yield* TsigKeyStore
      yield* store.put(keyFor("Alice-1.mesh.test", { allowedSuffixes: ["b.test", "a.test"] }))
      assert.deepInclude(ask(path, "SELECT * FROM tsig_keys")[0], {
        name: "alice-1.mesh.test.",
        algorithm: "hmac-sha256",
        allowed_suffixes: "a.test\nb.test",
        revoked: 0,
        subject: "alice@mesh.test"
      })
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("have another revision once another process has written", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const store = yield* TsigKeyStore
      yield* store.put(keyFor("alice.test"))
      const before = yield* store.revision
      beside(path, "UPDATE tsig_keys SET revoked = 1")
      assert.notStrictEqual(yield* store.revision, before)
      assert.isTrue((yield* store.find("alice.test"))?.revoked)
    }).pipe(Effect.provide(over(path)))
  })

  it.scoped("are readable by their owner alone, side files too", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => process.umask(0o022)),
        (mask) => Effect.sync(() => process.umask(mask))
      )
      const context = yield* Layer.build(over(path))
      yield* Effect.flatMap(TsigKeyStore, (store) => store.put(keyFor("a.test"))).pipe(
        Effect.provide(context)
      )
      const names = readdirSync(dirname(path))
      assert.include(names, "dmp_tsig.db-wal")
      for (const name of names)
        assert.strictEqual(statSync(join(dirname(path), name)).mode & 0o777, 0o600, name)
      assert.strictEqual(statSync(dirname(path)).mode & 0o777, 0o700)
    })
  })

  it.live("serve from the store thread, secrets intact", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const store = yield* TsigKeyStore
      const key = keyFor("a.test")
      yield* store.put(key)
      assert.deepStrictEqual(yield* store.find("a.test"), key)
    }).pipe(
      Effect.provide(
        StoreThread.host(SqlTsigKeyStore.hosted, { path }).pipe(
          Layer.provide(StoreThread.layer({ dbPath: join(dirname(path), "dmp.db") }))
        )
      )
    )
  })
})
