import { SqliteClient } from "@effect/sql-sqlite-node"
import { Reactivity } from "@effect/experimental"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as CheckedRecords from "../../src/sql/CheckedRecords.ts"
import * as CheckProcess from "../../src/sql/CheckProcess.ts"
import { RecordRows } from "../../src/sql/RecordRows.ts"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import { RecordStore, type StoreError } from "../../src/zone/RecordStore.ts"
import { damage, make } from "../fixtures/LargeDatabase.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { liveNames, now, put } from "../zone/RecordStoreSuite.ts"

/** A large database, sound unless the root page of something is to be overwritten. */
const database = (damaged?: string) =>
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "dmp.db")
    yield* TestClock.setTime(now * 1000)
    yield* make(path, now)
    if (damaged !== undefined) yield* damage(path, damaged)
    return path
  })

/** The store over the file, with `look` in the place of the check. */
const opened = (path: string, look?: typeof CheckProcess.check) =>
  Effect.gen(function* () {
    const rows = yield* Layer.build(
      StoreThread.host(SqlRecordStore.hosted, { path }).pipe(Layer.provide(StoreThread.layerThread))
    )
    const context = yield* CheckedRecords.make(Context.get(rows, RecordRows), look)
    return {
      store: Context.get(context, RecordStore),
      done: Context.get(context, CheckedRecords.StoreCheck).done,
      live: Effect.map(Effect.provide(liveNames(), context), (names) =>
        names.filter((name) => name.endsWith("mesh.test 1") || name.endsWith("mesh.test 2"))
      )
    }
  })

const submitted = ({ submit }: RecordStore["Type"], owner: string) =>
  Effect.async<void, StoreError>((resume) => submit?.([put(owner, "1")], resume))

const small = ["first.mesh.test 1", "second.mesh.test 2"]

/** A program in the place of the checking process. */
const program = (text: string) =>
  Effect.map(tempDirectory, (directory) => {
    const file = join(directory, "program.mjs")
    writeFileSync(file, text)
    return file
  })

describe("a large database", () => {
  it.scoped("is read at once, and written only after it was looked through", () =>
    Effect.gen(function* () {
      const path = yield* database()
      const before = readFileSync(path)
      const verdict = yield* Deferred.make<void>()
      let looked = 0
      const { done, live, store } = yield* opened(path, () => {
        looked++
        return Deferred.await(verdict)
      })
      assert.deepStrictEqual(yield* live, small)
      assert.strictEqual(looked, 0)
      const marking = yield* Effect.fork(store.markSerial(7))
      const writing = yield* Effect.fork(store.commit([put("third.mesh.test", "1")]))
      const submitting = yield* Effect.fork(submitted(store, "fourth.mesh.test"))
      const sweeping = yield* Effect.fork(store.sweep(now, 10))
      yield* TestClock.adjust("1 second")
      for (const fiber of [marking, writing, submitting, sweeping])
        assert.isNull(
          yield* fiber.status.pipe(Effect.map((status) => (status._tag === "Done" ? status : null)))
        )
      assert.isTrue(readFileSync(path).equals(before))
      assert.isFalse(existsSync(`${path}-wal`) && readFileSync(`${path}-wal`).length > 0)
      yield* Deferred.succeed(verdict, undefined)
      yield* Fiber.join(writing)
      yield* Fiber.join(submitting)
      yield* Fiber.join(marking)
      yield* Fiber.join(sweeping)
      yield* done
      assert.strictEqual(looked, 1)
      assert.strictEqual(yield* store.serialMark, 7)
      yield* submitted(store, "fifth.mesh.test")
      for (const name of ["third", "fourth", "fifth"])
        assert.include(yield* live, `${name}.mesh.test 1`)
      yield* store.probe
    })
  )

  it.scoped("that is sound passes the process that looks through it", () =>
    Effect.gen(function* () {
      const { done, store } = yield* opened(yield* database())
      yield* done
      yield* store.commit([put("third.mesh.test", "1")])
    })
  )

  it.scoped("that is damaged is never written, and whoever writes is told", () =>
    Effect.gen(function* () {
      const path = yield* database("idx_records_expires")
      const before = readFileSync(path)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { done, live, store } = yield* opened(path)
          assert.deepStrictEqual(yield* live, small)
          const refused = yield* Effect.flip(store.commit([put("third.mesh.test", "1")]))
          assert.strictEqual(refused.reason, "corrupt")
          const untaken = yield* Effect.flip(submitted(store, "fourth.mesh.test"))
          assert.strictEqual(untaken.reason, "corrupt")
          assert.strictEqual((yield* Effect.flip(store.markSerial(7))).reason, "corrupt")
          const error = yield* Effect.flip(done)
          assert.strictEqual(error.reason, "corrupt")
          assert.match(error.message, /dmp\.db is damaged \(.+\); restore a backup$/)
        })
      )
      assert.isTrue(readFileSync(path).equals(before))
    })
  )

  it.scoped("tells writers to come back when looking through it takes long", () =>
    Effect.gen(function* () {
      const { store } = yield* opened(yield* database(), () => Effect.never)
      const probing = yield* Effect.fork(Effect.flip(store.probe))
      const writing = yield* Effect.fork(Effect.flip(store.commit([put("a.mesh.test", "1")])))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(probing)).reason, "checking")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(writing)).reason, "checking")
    })
  )

  it.scoped("is looked through on the store thread where no process can do it", () =>
    Effect.gen(function* () {
      const dying = yield* program("process.kill(process.pid, 'SIGKILL')")
      const look = (path: string) => CheckProcess.check(path, dying)
      const sound = yield* opened(yield* database(), look)
      yield* sound.done
      yield* sound.store.commit([put("third.mesh.test", "1")])
      const unsound = yield* opened(yield* database("idx_records_expires"), look)
      assert.strictEqual((yield* Effect.flip(unsound.done)).reason, "corrupt")
    })
  )

  it.scoped("has what another release left put right before the first write", () =>
    Effect.gen(function* () {
      const path = yield* database()
      yield* Effect.gen(function* () {
        const sql = yield* SqliteClient.make({ filename: path })
        yield* sql`UPDATE records SET value_hash = '', stored_ts = ${now}, name = 'First.Mesh.test.'
          WHERE name = 'first.mesh.test'`
      }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))
      const { done, live, store } = yield* opened(path)
      assert.deepStrictEqual([...(yield* live)].sort(), small)
      yield* done
      const digest = yield* store.digest({ storedTs: 0, owner: "", valueHash: "" }, 99, now)
      assert.isTrue(digest.every((row) => row.valueHash !== "" && row.storedTs >= now * 1000))
      const highest = Math.max(...digest.map(({ storedTs }) => storedTs))
      yield* store.commit([put("third.mesh.test", "1")])
      const after = yield* store.digest({ storedTs: highest, owner: "~", valueHash: "" }, 99, now)
      assert.deepStrictEqual(
        after.map(({ owner }) => owner),
        ["third.mesh.test"]
      )
    })
  )

  it.scoped("is looked through first where opening it has to change it", () =>
    Effect.gen(function* () {
      for (const change of ["PRAGMA journal_mode = DELETE", "DROP TABLE dnsmesh_migrations"]) {
        const path = yield* database()
        yield* Effect.flatMap(SqliteClient.make({ filename: path, disableWAL: true }), (sql) =>
          sql.unsafe(change)
        ).pipe(Effect.scoped, Effect.provide(Reactivity.layer))
        yield* damage(path, "idx_records_expires")
        const before = readFileSync(path)
        const error = yield* Effect.flip(Effect.scoped(opened(path)))
        assert.strictEqual(error.reason, "corrupt", change)
        assert.isTrue(readFileSync(path).equals(before), change)
      }
    })
  )
})

describe("the checking process", () => {
  it.scoped("says what is no database, and what is not there", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const gone = yield* Effect.flip(CheckProcess.check(path))
      assert(gone._tag === "OpenError")
      assert.strictEqual(gone.reason, "unwritable")
      writeFileSync(path, "not a database ".repeat(1000))
      const foreign = yield* Effect.flip(CheckProcess.check(path))
      assert(foreign._tag === "OpenError")
      assert.strictEqual(foreign.reason, "not-a-database")
    })
  )

  it.scopedLive("ends when nobody waits for it any more", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const said = join(directory, "pid")
      const stuck = yield* program(`
        import { writeFileSync, renameSync } from "node:fs"
        writeFileSync(process.argv[2] + ".new", String(process.pid))
        renameSync(process.argv[2] + ".new", process.argv[2])
        while (true);`)
      const scope = yield* Scope.make()
      yield* Effect.forkIn(CheckProcess.check(said, stuck), scope)
      yield* Effect.sync(() => existsSync(said)).pipe(
        Effect.delay("10 millis"),
        Effect.repeat({ until: (there) => there })
      )
      const pid = Number(readFileSync(said, "utf8"))
      yield* Scope.close(scope, Exit.void)
      yield* Effect.try(() => process.kill(pid, 0)).pipe(
        Effect.delay("10 millis"),
        Effect.flip,
        Effect.retry({ times: 500 })
      )
    })
  )
})
