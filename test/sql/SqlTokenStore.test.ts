/** The token database over SQLite: the contract, files of other releases, and who may read them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { mkdtempSync, readdirSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Subject from "../../src/auth/Subject.ts"
import { TokenCache } from "../../src/auth/TokenCache.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import * as SqlTokenStore from "../../src/sql/SqlTokenStore.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import { alice, claimOf, keyA, keyB, rowFor, suite } from "../auth/TokenStoreSuite.ts"
import { ask, beside } from "../fixtures/Databases.ts"

const freshPath = () => join(mkdtempSync(join(tmpdir(), "tokens-")), "data", "dmp_tokens.db")
const over = (path: string) =>
  Layer.scoped(
    TokenStore,
    Effect.map(
      SqlTokenStore.hosted.open(path),
      (members) =>
        // The description names every member of the contract.
        Object.fromEntries(members) as unknown as TokenStore["Type"]
    )
  )

suite("SqlTokenStore", () => over(freshPath()))

const v1 = `CREATE TABLE tokens (token_hash TEXT PRIMARY KEY, subject TEXT NOT NULL,
  subject_type INTEGER NOT NULL, subject_hash12 TEXT, rate_per_sec REAL NOT NULL DEFAULT 10.0,
  rate_burst INTEGER NOT NULL DEFAULT 50, issued_at INTEGER NOT NULL, expires_at INTEGER,
  revoked_at INTEGER, issuer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '')`
const insert = (hash: string, columns = "", values = "") =>
  `INSERT INTO tokens (token_hash, subject, subject_type, issued_at, expires_at${columns})
   VALUES ('${hash}', 'alice@example.com', 1, 1000, NULL${values})`

const fresh = (prepare: (path: string) => void) => {
  const path = join(mkdtempSync(join(tmpdir(), "tokens-")), "dmp_tokens.db")
  prepare(path)
  return path
}

describe("SqlTokenStore files", () => {
  it.effect("brings version 1 to 2 and keeps its tokens", () => {
    const path = fresh((file) => beside(file, v1, insert("h1"), "PRAGMA user_version = 1"))
    return Effect.gen(function* () {
      const [row] = yield* (yield* TokenStore).listTokens({ includeRevoked: false })
      assert.strictEqual(row?.tokenHash, "h1")
      assert.strictEqual(row?.registeredSpk, null)
      assert.deepStrictEqual({ ...ask(path, "PRAGMA user_version")[0] }, { user_version: 2 })
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("takes an unstamped file that has the new column already", () => {
    const path = fresh((file) =>
      beside(
        file,
        v1.replace(
          "note TEXT NOT NULL DEFAULT ''",
          "note TEXT NOT NULL DEFAULT '', registered_spk TEXT"
        ),
        insert("h1", ", registered_spk, issuer", `, '${keyA}', 'self-service'`)
      )
    )
    return Effect.gen(function* () {
      const store = yield* TokenStore
      assert.strictEqual((yield* store.findOwner(alice))?.spk, keyA)
      const other = rowFor(alice, { registeredSpk: keyB })
      assert.strictEqual((yield* store.mint("register", other, claimOf(other)))._tag, "Refused")
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("refuses a newer file and leaves it as it was", () => {
    const path = fresh((file) => beside(file, v1, insert("h1"), "PRAGMA user_version = 3"))
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(over(path))))
      assert.include(String(exit), "schema version 3")
      assert.deepStrictEqual(
        ask(path, "SELECT name FROM sqlite_master WHERE type = 'table'").map((row) => row["name"]),
        ["tokens"]
      )
    })
  })

  it.effect("is still a file the reference layout reads: version 2, its tables and columns", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const row = rowFor(alice)
      yield* (yield* TokenStore).mint("register", row, claimOf(row))
      const columns = (table: string) =>
        ask(path, `PRAGMA table_info(${table})`).map((column) => column["name"])
      assert.deepStrictEqual(columns("tokens"), [
        "token_hash",
        "subject",
        "subject_type",
        "subject_hash12",
        "rate_per_sec",
        "rate_burst",
        "issued_at",
        "expires_at",
        "revoked_at",
        "issuer",
        "note",
        "registered_spk"
      ])
      assert.deepStrictEqual(columns("token_audit"), [
        "id",
        "ts",
        "event",
        "token_hash",
        "subject",
        "remote_addr",
        "detail"
      ])
      assert.deepStrictEqual({ ...ask(path, "PRAGMA user_version")[0] }, { user_version: 2 })
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("shows another number after another program has written, and only then", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const store = yield* TokenStore
      const row = rowFor(alice)
      const before = yield* store.revision
      yield* store.mint("register", row, claimOf(row))
      assert.strictEqual(yield* store.revision, before)
      beside(path, `UPDATE tokens SET revoked_at = 5 WHERE token_hash = '${row.tokenHash}'`)
      assert.notStrictEqual(yield* store.revision, before)
    }).pipe(Effect.provide(over(path)))
  })

  it.effect("lets nobody else read the files, whatever the umask", () => {
    const before = process.umask(0o022)
    const path = freshPath()
    return Effect.gen(function* () {
      const row = rowFor(alice)
      yield* (yield* TokenStore).mint("register", row, claimOf(row))
      const folder = join(path, "..")
      assert.isAtLeast(readdirSync(folder).length, 2)
      for (const file of readdirSync(folder))
        assert.strictEqual(statSync(join(folder, file)).mode & 0o077, 0, file)
      assert.strictEqual(statSync(folder).mode & 0o077, 0)
    }).pipe(Effect.provide(over(path)), Effect.ensuring(Effect.sync(() => process.umask(before))))
  })

  it.effect("gives one subject to one of two processes that race for it", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const open = Scope.extend(Layer.build(Layer.fresh(over(path))), scope)
      const [one, two] = [yield* open, yield* open]
      const rows = [keyA, keyB].map((registeredSpk) => rowFor(alice, { registeredSpk }))
      const outcomes = yield* Effect.all(
        [one, two].map((context, at) =>
          Effect.flatMap(TokenStore, (store) =>
            store.mint("register", rows[at]!, claimOf(rows[at]!))
          ).pipe(Effect.provide(context))
        ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag).sort(), ["Minted", "Refused"])
      yield* Scope.close(scope, Exit.void)
    })
  })

  it.live("works the same on the store thread", () => {
    const path = freshPath()
    const threaded = StoreThread.host(SqlTokenStore.hosted, { path }).pipe(
      Layer.provide(StoreThread.layerThread)
    )
    return Effect.gen(function* () {
      const store = yield* TokenStore
      const row = rowFor(alice, { subject: Subject.unsafeMake("alice@example.com") })
      assert.strictEqual((yield* store.mint("register", row, claimOf(row)))._tag, "Minted")
      assert.deepStrictEqual(yield* store.listTokens({ includeRevoked: false }), [row])
      assert.strictEqual((yield* store.findOwner(alice))?.spk, keyA)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.provide(threaded))
  })

  it.live("ends a token within a second of its revocation by another process", () => {
    const path = freshPath()
    return Effect.gen(function* () {
      const cache = yield* TokenCache
      const row = rowFor(alice, { expiresAt: null })
      yield* cache.mint("register", row, claimOf(row))
      yield* Effect.sleep("700 millis")
      assert.strictEqual(cache.find(row.tokenHash)?.row.revokedAt, null)
      beside(path, `UPDATE tokens SET revoked_at = 5 WHERE token_hash = '${row.tokenHash}'`)
      yield* Effect.sleep("1 seconds")
      assert.strictEqual(cache.find(row.tokenHash)?.row.revokedAt, 5)
    }).pipe(Effect.provide(TokenCache.layer.pipe(Layer.provide(over(path)))))
  })
})
