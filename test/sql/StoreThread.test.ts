import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Context, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { getPriority } from "node:os"
import { join } from "node:path"
import * as Caller from "../../src/sql/StoreCaller.ts"
import { StoreThread } from "../../src/sql/StoreThread.ts"
import * as Thread from "../../src/sql/Thread.ts"
import { RecordStore, type StoreError } from "../../src/zone/RecordStore.ts"
import { hosted, Refused, Sample } from "../fixtures/Sample.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { now, put } from "../zone/RecordStoreSuite.ts"

const thread = Thread.start(new URL("../fixtures/sampleThreadMain.ts", import.meta.url))

class File extends Context.Tag("test/File")<File, string>() {}
class Died extends Context.Tag("test/Died")<Died, Effect.Effect<never, string>>() {}

const sample = Layer.scopedContext(
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "file")
    const started = yield* thread
    const store = yield* Caller.open(started, hosted, path)
    return Context.make(Sample, store).pipe(
      Context.add(File, path),
      Context.add(Died, started.died)
    )
  })
)

const submitted = (store: Sample["Type"], how: unknown) =>
  Effect.async<unknown, StoreError | Refused>((resume) => store.submits(how, resume))

describe("a hosted store", () => {
  it.layer(sample)((it) => {
    it.effect("is given plain data as it is, and gives it back", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        const values = [
          { a: [1, "é\0😀", null, undefined, true], b: new Map([["k", 1n]]) },
          new Uint8Array([0, 255]),
          "x".repeat(100_000)
        ]
        assert.deepStrictEqual(yield* store.echo(...values), values)
      })
    )

    it.effect("sees its caller's clock", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        yield* TestClock.setTime(1234)
        assert.strictEqual(yield* store.now, 1234)
        yield* TestClock.setTime(99)
        assert.strictEqual(yield* store.now, 99)
      })
    )

    it.effect("fails with the errors of its contract", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        const failed = yield* Effect.flip(store.fails("the disk"))
        assert.deepStrictEqual(
          [failed._tag, failed.reason, failed.message],
          ["StoreError", "io", "the disk"]
        )
        const refused = yield* Effect.flip(store.refuses("the sample"))
        assert(refused instanceof Refused)
        assert.strictEqual(refused.by, "the sample")
      })
    )

    it.effect("turns its bugs into the caller's defects and goes on", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        for (const [effect, said] of [
          [store.dies, "a bug"],
          [store.unsendable, "could not be cloned"]
        ] as const) {
          const exit = yield* Effect.exit(effect)
          assert(Exit.isFailure(exit) && Cause.isDie(exit.cause))
          assert.include(Cause.pretty(exit.cause), said)
        }
        const unsent = yield* Effect.exit(store.echo(() => "a function"))
        assert(Exit.isFailure(unsent) && Cause.isDie(unsent.cause))
        assert.deepStrictEqual(yield* store.echo(1), [1])
      })
    )

    it.effect("tells how what was submitted has ended, whatever it was, and goes on", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        assert.deepStrictEqual(yield* submitted(store, { a: [1] }), { a: [1] })
        assert.strictEqual(yield* submitted(store, "later"), "later")
        const failed = yield* Effect.flip(submitted(store, "fails"))
        assert.deepInclude(failed, { _tag: "StoreError", reason: "io", message: "the disk" })
        assert.deepInclude(yield* Effect.flip(submitted(store, "refuses")), {
          _tag: "Refused",
          by: "the sample"
        })
        for (const [how, said] of [
          ["bug", "a bug"],
          ["unsendable", "could not be cloned"],
          [() => "a function", "could not be cloned"]
        ] as const) {
          const exit = yield* Effect.exit(submitted(store, how))
          assert(Exit.isFailure(exit) && Cause.isDie(exit.cause))
          assert.include(Cause.pretty(exit.cause), said)
        }
        assert.strictEqual(yield* submitted(store, 1), 1)
      })
    )

    it.effect("streams no further ahead than it is read", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        const before = yield* store.counted
        const some = yield* Stream.runCollect(Stream.take(store.counts(1000), 25))
        assert.strictEqual(Chunk.size(some), 25)
        assert.strictEqual((yield* store.counted) - before, 30)
        const all = yield* Stream.runCollect(store.counts(95))
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(all),
          Array.from({ length: 95 }, (_, i) => i + 1)
        )
      })
    )

    it.effect("fails a stream where it broke", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        const got: Array<number> = []
        const failed = yield* store.breaks.pipe(
          Stream.runForEach((n) => Effect.sync(() => got.push(n))),
          Effect.flip
        )
        assert.deepStrictEqual(got, [1, 2])
        assert.strictEqual(failed.message, "midway")
      })
    )

    it.effect("does what it was asked although the asker went away", () =>
      Effect.gen(function* () {
        const store = yield* Sample
        const path = yield* File
        const fiber = yield* Effect.fork(store.writes("asked", 50))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        yield* store.writes("later", 150)
        assert.strictEqual(readFileSync(path, "utf8"), "asked\nlater\n")
      })
    )
  })

  it.scopedLive("finishes what it was asked before it closes, and then fails as closed", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "file")
      const started = yield* thread
      const scope = yield* Scope.make()
      const store = yield* Scope.extend(Caller.open(started, hosted, path), scope)
      const pending = yield* Effect.fork(store.writes("written", 20))
      const told = yield* Effect.fork(submitted(store, "line"))
      yield* Effect.sleep("10 millis")
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(pending)
      assert.strictEqual(yield* Fiber.join(told), "line")
      assert.strictEqual(readFileSync(path, "utf8"), "written\nline\nclosed\n")
      const later = yield* Effect.flip(submitted(store, 1))
      assert.deepInclude(later, { _tag: "StoreError", reason: "closed" })
      const late = yield* Effect.flip(store.echo(1))
      assert.strictEqual(late.reason, "closed")
      const unread = yield* Effect.flip(Stream.runDrain(store.counts(3)))
      assert.strictEqual(unread.reason, "closed")
    })
  )

  it.scopedLive("fails a stream that is being read when it closes, rather than end it early", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "file")
      const started = yield* thread
      const scope = yield* Scope.make()
      const store = yield* Scope.extend(Caller.open(started, hosted, path), scope)
      const failed = yield* store.counts(100).pipe(
        Stream.rechunk(1),
        Stream.runForEach((n) => (n === 15 ? Scope.close(scope, Exit.void) : Effect.void)),
        Effect.flip
      )
      assert.strictEqual(failed.reason, "closed")
    })
  )

  it.scopedLive("closes with the thread", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "file")
      const store = yield* Effect.scoped(
        Effect.gen(function* () {
          return yield* Caller.open(yield* thread, hosted, path)
        })
      )
      assert.strictEqual(readFileSync(path, "utf8"), "closed\n")
      assert.strictEqual((yield* Effect.flip(store.now)).reason, "closed")
    })
  )

  it.scopedLive("fails every call and is reported when its thread dies", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "file")
      const started = yield* thread
      const store = yield* Caller.open(started, hosted, path)
      const pending = yield* Effect.fork(Effect.flip(store.hangs))
      const submitting = yield* Effect.fork(Effect.flip(submitted(store, "later")))
      const streaming = yield* Effect.fork(store.counts(1e9).pipe(Stream.runDrain, Effect.flip))
      yield* Effect.sleep("20 millis")
      assert.strictEqual((yield* Effect.flip(store.crashes)).reason, "closed")
      assert.strictEqual((yield* Fiber.join(pending)).reason, "closed")
      assert.strictEqual((yield* Fiber.join(streaming)).reason, "closed")
      assert.deepInclude(yield* Fiber.join(submitting), { reason: "closed" })
      assert.strictEqual((yield* Effect.flip(store.echo(1))).reason, "closed")
      assert.include(yield* Effect.flip(started.died), "the store thread ended")
    })
  )

  it.scopedLive("says why it was not opened", () =>
    Effect.gen(function* () {
      const started = yield* thread
      const refused = yield* Effect.flip(Caller.open(started, hosted, ""))
      assert.deepStrictEqual([refused._tag, refused.reason], ["OpenError", "no-path"])
      const bug = yield* Effect.exit(Caller.open(started, hosted, "defect"))
      assert(Exit.isFailure(bug) && Cause.isDie(bug.cause))
      const unknown = yield* Effect.exit(
        Caller.open(started, { ...hosted, name: "nobody" }, "path")
      )
      assert(Exit.isFailure(unknown) && Cause.isDie(unknown.cause))
    })
  )
})

describe("StoreThread", () => {
  it.scopedLive("goes on with what it holds after it has given memory back", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      const context = yield* Layer.build(StoreThread.layer({ dbPath: path }))
      const store = Context.get(context, RecordStore)
      yield* store.commit([put("a.mesh.test", "v=1")])
      yield* Context.get(context, StoreThread).tidy
      const groups = Chunk.toReadonlyArray(yield* Stream.runCollect(store.live(now)))
      assert.deepStrictEqual(
        groups.flat().map(([, value]) => value),
        ["v=1"]
      )
    })
  )

  it.scopedLive("refuses a foreign file and a second node, with the reason", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const [path, foreign] = [join(directory, "dmp.db"), join(directory, "notes")]
      writeFileSync(foreign, "not a database")
      const open = (dbPath: string) => Layer.build(StoreThread.layer({ dbPath }))
      assert.strictEqual((yield* Effect.flip(open(foreign))).reason, "not-a-database")
      yield* open(path)
      assert.strictEqual((yield* Effect.flip(open(path))).reason, "in-use")
    })
  )

  it.scopedLive.skipIf(process.platform !== "linux")(
    "stands back where it shares a processor with the event loop",
    () =>
      Effect.gen(function* () {
        const dbPath = join(yield* tempDirectory, "dmp.db")
        yield* Layer.build(StoreThread.layer({ dbPath }))
        const niceness = readdirSync("/proc/self/task")
          .filter((id) => readFileSync(`/proc/self/task/${id}/comm`, "utf8") === "store\n")
          .map((id) => getPriority(Number(id)))
        assert.deepStrictEqual(niceness, [Math.min(19, getPriority() + 10)])
      })
  )

  it.scopedLive("keeps the main thread free while it writes", () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "dmp.db")
      yield* Effect.gen(function* () {
        const store = yield* RecordStore
        const group = Array.from({ length: 20_000 }, (_, i) => put(`n${i}`, "v".repeat(200)))
        const started = performance.now()
        const writing = yield* Effect.fork(store.commit(group))
        yield* Effect.yieldNow()
        const handedOver = performance.now()
        yield* Fiber.join(writing)
        const written = performance.now()
        assert.isBelow((handedOver - started) * 2, written - started)
        const { databaseBytes, walBytes } = yield* store.usage(now)
        assert.isAbove(databaseBytes + walBytes, 1e6)
      }).pipe(Effect.provide(StoreThread.layer({ dbPath: path })))
    })
  )
})
