import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, TestClock } from "effect"
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { render } from "../../src/runtime/Prometheus.ts"
import * as BackupArchive from "../../src/sql/BackupArchive.ts"
import { BackupConfig } from "../../src/sql/BackupConfig.ts"
import { verify } from "../../src/sql/BackupVerify.ts"
import * as ScheduledBackup from "../../src/sql/ScheduledBackup.ts"
import { StoreConfig } from "../../src/sql/StoreConfig.ts"
import { numbers } from "../fixtures/Databases.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const day = 86_400
const noon = Date.UTC(2026, 10, 23, 12, 0, 0)

const start = (home: string, keep = 3) =>
  Layer.build(
    ScheduledBackup.layer({ version: "1.2.3", commit: "abc1234" }).pipe(
      Layer.provide(
        Layer.succeed(BackupConfig, {
          directory: Option.some(join(home, "backups")),
          interval: day,
          keep
        })
      ),
      Layer.provide(
        Layer.succeed(StoreConfig, {
          dbPath: join(home, "dmp.db"),
          tokenDbPath: join(home, "t.db"),
          tsigDbPath: join(home, "k.db"),
          heartbeatDbPath: join(home, "h.db"),
          auditDbPath: join(home, "a.db"),
          syncDbPath: join(home, "s.db"),
          tokenDbNamed: false
        })
      )
    )
  )

const metric = (name: string) =>
  Effect.map(render(), (text) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]))

/** What is in the directory under its final name. */
const finished = (backups: string): ReadonlyArray<string> =>
  existsSync(backups)
    ? readdirSync(backups)
        .filter((name) => !name.startsWith("."))
        .sort()
    : []

/** Time passes until a condition of the world outside holds: the backup has a thread of its own. */
const until = (done: () => boolean) =>
  Effect.promise(async () => {
    for (let tries = 0; tries < 500 && !done(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 20))
    assert.isTrue(done())
  })

/** The backup that ran is over in all its parts, and the next one awaits its time. */
const settled = Effect.gen(function* () {
  for (let tries = 0; tries < 500; tries++) {
    if ([...(yield* TestClock.sleeps())].length > 0) return
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
  }
  assert.fail("no next backup is planned")
})

describe("ScheduledBackup", () => {
  it.scoped("makes a good backup soon after the first start, then one every interval", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      const backups = join(home, "backups")
      const list = () => finished(backups)
      yield* numbers(join(home, "dmp.db"), 50)
      yield* TestClock.setTime(noon)
      yield* start(home, 2)
      yield* TestClock.adjust("10 seconds")
      yield* until(() => list().length === 1)
      const first = "dnsmesh-backup-20261123T120010Z.tar.gz"
      assert.deepStrictEqual(list(), [first])
      assert.strictEqual(statSync(backups).mode & 0o777, 0o700)
      const { manifest } = yield* Effect.flatMap(
        BackupArchive.open(join(backups, first)),
        (source) => verify(source, home)
      )
      assert.deepInclude(manifest.files[0], { role: "records", rows: { numbers: 50 } })

      writeFileSync(join(backups, "my own notes.tar.gz"), "not the node's")
      for (let n = 2; n <= 4; n++) {
        yield* settled
        yield* TestClock.adjust("1 day")
        const date = `202611${22 + n}`
        yield* until(() => list().some((name) => name.includes(date)))
      }
      yield* settled
      assert.deepStrictEqual(list(), [
        "dnsmesh-backup-20261125T120010Z.tar.gz",
        "dnsmesh-backup-20261126T120010Z.tar.gz",
        "my own notes.tar.gz"
      ])
      assert.strictEqual(
        yield* metric("dmp_backup_last_success_timestamp_seconds"),
        noon / 1000 + 3 * day + 10
      )
      assert.isAbove(yield* metric("dmp_backup_bytes"), 100)
    })
  )

  it.scoped("goes on counting from the newest backup after a restart", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      const backups = join(home, "backups")
      yield* numbers(join(home, "dmp.db"), 5)
      yield* TestClock.setTime(noon)
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* start(home)
          yield* TestClock.adjust("10 seconds")
          yield* until(() => finished(backups).length === 1)
          return finished(backups)
        })
      )
      yield* TestClock.adjust("6 hours")
      yield* start(home)
      assert.strictEqual(
        yield* metric("dmp_backup_last_success_timestamp_seconds"),
        noon / 1000 + 10
      )
      yield* TestClock.adjust("17 hours")
      assert.deepStrictEqual(finished(backups), first, "not due yet")
      yield* TestClock.adjust("1 hours")
      yield* until(() => finished(backups).length === 2)
    })
  )

  it.scoped(
    "counts a failure, keeps the older backups and tries again before the next interval",
    () =>
      Effect.gen(function* () {
        const home = yield* tempDirectory
        const backups = join(home, "backups")
        const before = (yield* metric("dmp_backup_failures_total")) || 0
        yield* TestClock.setTime(noon)
        yield* start(home, 1)
        yield* TestClock.adjust("10 seconds")
        let failed = 0
        for (let tries = 0; tries < 200 && failed === 0; tries++) {
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
          failed = (yield* metric("dmp_backup_failures_total")) - before
        }
        assert.strictEqual(failed, 1)
        yield* numbers(join(home, "dmp.db"), 5)
        yield* TestClock.adjust("10 minutes")
        yield* until(() => finished(backups).length === 1)
      })
  )
})
