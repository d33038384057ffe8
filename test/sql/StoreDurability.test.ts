/** What was acknowledged outlives the process and a disk that fails for a while. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { commitLoop, straceMissing } from "../fixtures/CommitLoop.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { liveRows, now } from "../zone/RecordStoreSuite.ts"

const kept = (path: string) =>
  Effect.map(
    liveRows(now).pipe(Effect.provide(SqlRecordStore.layerFile(path))),
    (rows) => new Set(rows.map(({ value }) => value))
  )

describe("kill -9", () => {
  it.scopedLive(
    "loses no acknowledged row and leaves no lock behind, over several rounds",
    () =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "dmp.db")
        const acknowledged: Array<string> = []
        for (const killAfter of [20, 150, 45, 300, 90]) {
          const { acks, exitCode, stderr } = yield* commitLoop({ path, count: 1e6, killAfter })
          assert.isNull(exitCode, `ended before it was killed: ${stderr}`)
          acknowledged.push(...acks.map(({ value }) => value))
          const held = yield* kept(path)
          for (const value of acknowledged) assert.isTrue(held.has(value), `${value} was lost`)
        }
        assert.isAbove(acknowledged.length, 50)
      }),
    90_000
  )
})

if (straceMissing !== undefined)
  console.warn(`SKIPPED: failing and slow disks were not tested: ${straceMissing}`)

describe.skipIf(straceMissing !== undefined)("a disk", () => {
  const survives = (title: string, inject: string, reason: string) =>
    it.scopedLive(
      title,
      () =>
        Effect.gen(function* () {
          const path = join(yield* tempDirectory, "dmp.db")
          // A file that exists, so that the failures meet commits and not the opening.
          yield* commitLoop({ path, count: 20 })
          const { acks, exitCode, fails, live, probe, stderr } = yield* commitLoop({
            path,
            count: 60,
            inject
          })
          assert.strictEqual(exitCode, 0, stderr)
          assert.isAbove(fails.length, 0, "the disk did fail")
          assert.deepStrictEqual([...new Set(fails.map((fail) => fail.reason))], [reason])
          assert.strictEqual(acks.length + fails.length, 60)
          assert.strictEqual(acks.at(-1)?.value.split("-")[1], "59", "it recovered by itself")
          assert.strictEqual(probe, "ok")
          for (const { value } of fails) assert.isFalse(live.has(value), `${value} came back`)
          const reopened = yield* kept(path)
          for (const { value } of acks) {
            assert.isTrue(live.has(value), `${value} is not read`)
            assert.isTrue(reopened.has(value), `${value} was lost`)
          }
        }),
      60_000
    )

  survives(
    "that fails one sync fails that commit and no other",
    "fdatasync,fsync:error=EIO:when=15",
    "io"
  )
  survives(
    "that fails many syncs in a row fails their commits until it is well again",
    "fdatasync,fsync:error=EIO:when=15..34",
    "io"
  )
  survives(
    "that is full says so until there is room",
    "pwrite64:error=ENOSPC:when=40..60",
    "disk-full"
  )
  survives("that fails writes fails their commits", "pwrite64:error=EIO:when=40..60", "io")

  it.scopedLive(
    "that is slow delays every acknowledgement: none comes before its sync",
    () =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "dmp.db")
        yield* commitLoop({ path, count: 1 })
        const inject = "fdatasync,fsync:delay_exit=30000"
        const { acks, stderr } = yield* commitLoop({ path, count: 10, inject })
        assert.lengthOf(acks, 10, stderr)
        for (const { ms } of acks) assert.isAtLeast(ms, 29)
      }),
    60_000
  )
})
