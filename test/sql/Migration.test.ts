/** Databases of every release of the reference: opened, copied before, and given back to it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as MigrationReport from "../../src/sql/MigrationReport.ts"
import { copyOf } from "../../src/sql/PreMigration.ts"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { rowsOf, withDatabase } from "../fixtures/Databases.ts"
import * as Reference from "../fixtures/ReferenceDatabases.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const filesOf = (files: Reference.ReferenceFiles) =>
  Object.entries(files).flatMap(([role, path]) =>
    typeof path === "string" ? [{ role, path }] : []
  )

const liveNames = (path: string) =>
  Effect.gen(function* () {
    const { digest } = yield* RecordStore
    const rows = yield* digest({ storedTs: 0, owner: "", valueHash: "" }, 1000, Reference.made)
    return rows.map((row) => row.owner).sort()
  }).pipe(Effect.provide(SqlRecordStore.layerFile(path)))

const expected = Reference.recordRows.map(({ name }) => name.toLowerCase()).sort()

const fixture = (release: Reference.Release) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(Reference.made * 1000)
    const home = yield* tempDirectory
    return yield* Reference.write(release, home)
  })

describe("files of the reference", () => {
  for (const release of Reference.releases)
    it.scoped(`of release ${release} are migrated with a copy kept, and go back to it`, () =>
      Effect.gen(function* () {
        const files = yield* fixture(release)
        const before = yield* Effect.forEach(filesOf(files), ({ path }) =>
          Effect.sync(() => readFileSync(path))
        )
        const listing = () =>
          [...new Set(filesOf(files).map(({ path }) => dirname(path)))].flatMap((it) =>
            readdirSync(it)
          )
        const listed = listing()
        const report = yield* Effect.forEach(filesOf(files), MigrationReport.inspect)
        assert.sameMembers(listing(), listed, "a dry run leaves nothing behind")
        for (const [at, { path }] of filesOf(files).entries())
          assert.isTrue(before[at]?.equals(readFileSync(path)), "a dry run only reads")

        yield* MigrationReport.migrate(filesOf(files))

        // Exactly what was announced has changed, and is kept as it was.
        for (const change of report) {
          const to = Math.max(change.step.after, change.userVersion.after)
          const copy = copyOf(change.path, to)
          assert.strictEqual(existsSync(copy), MigrationReport.changesAnything(change), copy)
          if (!existsSync(copy)) continue
          assert.strictEqual(statSync(copy).mode & 0o777, 0o600)
          yield* withDatabase(copy, (db) => {
            assert.deepInclude(db.prepare("PRAGMA user_version").get(), {
              user_version: change.userVersion.before
            })
            assert.lengthOf(
              db.prepare("SELECT 1 FROM sqlite_schema WHERE name LIKE 'dnsmesh%'").all(),
              0
            )
          })
        }
        for (const change of yield* Effect.forEach(filesOf(files), MigrationReport.inspect))
          assert.isFalse(MigrationReport.changesAnything(change), `${change.role} twice`)
        assert.deepStrictEqual(yield* liveNames(files.records), expected)

        // Down: the reference opens, reads and writes what this release has had.
        const seen = yield* Reference.reopen(files, "v=dmp1;from=reference")
        assert.includeMembers([...seen.names], [...expected, "written.mesh.example"])
        assert.deepStrictEqual(seen.subjects, [
          "alice@mesh.example",
          "bob@mesh.example",
          "carol@mesh.example"
        ])
        assert.deepStrictEqual(
          seen.keys,
          files.tsig === undefined ? [] : ["alice-key.mesh.example."]
        )

        // And up again: what it wrote meanwhile is there.
        assert.includeMembers(
          [...(yield* liveNames(files.records))],
          [...expected, "written.mesh.example"]
        )
      })
    )

  it.scoped("are reported with what changes in them", () =>
    Effect.gen(function* () {
      const files = yield* fixture("0.6.6")
      const report = yield* Effect.forEach(filesOf(files), MigrationReport.inspect)
      const [records, token, tsig] = report
      assert.deepInclude(records, { step: { before: 0, after: 2 }, role: "records" })
      assert.deepStrictEqual(records?.tables, [
        { table: "records", rowsBefore: 20, rowsAfter: 20, rowsChanged: 4, columnsAdded: [] }
      ])
      assert.include([...(records?.added ?? [])], "table dnsmesh_meta")
      assert.deepInclude(token, { userVersion: { before: 0, after: 2 } })
      assert.deepStrictEqual(tsig?.tables, [
        {
          table: "tsig_keys",
          rowsBefore: 1,
          rowsAfter: 1,
          rowsChanged: 0,
          columnsAdded: ["registered_x25519_pub"]
        }
      ])
    })
  )

  it.scoped("are copied anew when another release has written what must be put right", () =>
    Effect.gen(function* () {
      const files = yield* fixture("0.7.5")
      yield* MigrationReport.migrate(filesOf(files))
      yield* withDatabase(files.records, (db) =>
        db.exec(`INSERT INTO records VALUES ('MiXed.mesh.example', 'v', 300, ${Reference.made},
          ${Reference.until}, ${Reference.made * 1000 + 9000}, '')`)
      )
      assert.include(yield* liveNames(files.records), "mixed.mesh.example")
      const kept = yield* rowsOf(copyOf(files.records, 2), "records")
      assert.isTrue(kept.some((row) => row.includes("MiXed.mesh.example")))
    })
  )

  it.scoped("are left alone when the copy cannot be written", () =>
    Effect.gen(function* () {
      const files = yield* fixture("0.7.5")
      const before = yield* rowsOf(files.records, "records")
      // A directory in the way of the copy, with something in it.
      const home = `${copyOf(files.records, 2)}.partial`
      mkdirSync(home)
      writeFileSync(join(home, "x"), "")
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(SqlRecordStore.layerFile(files.records)))
      )
      assert.include(error.message, "left as it was")
      assert.deepStrictEqual(yield* rowsOf(files.records, "records"), before)
      assert.deepStrictEqual((yield* Reference.reopen(files, "x")).subjects.length, 3)
    })
  )

  it.scoped("a database of this release is opened without a copy", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* Effect.scoped(Layer.build(SqlRecordStore.layerFile(path)))
      yield* Effect.scoped(Layer.build(SqlRecordStore.layerFile(path)))
      assert.isFalse(existsSync(copyOf(path, 2)))
    })
  )
})
