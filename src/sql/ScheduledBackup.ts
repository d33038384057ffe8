/**
 * The node's own backups: one every interval, the newest ones kept. Invariant: nothing is
 * deleted before a newer backup is complete, and only files of the node's own making are.
 */
import { Clock, Duration, Effect, Layer, Metric, Option } from "effect"
import { readdir, rm, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Backup from "./Backup.ts"
import { BackupConfig } from "./BackupConfig.ts"
import { attempt } from "./BackupError.ts"
import * as BackupThread from "./BackupThread.ts"
import { databases } from "./DataFiles.ts"
import { StoreConfig } from "./StoreConfig.ts"

const lastSuccess = Metric.gauge("dmp_backup_last_success_timestamp_seconds", {
  description:
    "When the newest backup in DMP_BACKUP_DIR was begun, Unix seconds; 0 before the first"
})
const size = Metric.gauge("dmp_backup_bytes", {
  description: "Size of the newest backup in DMP_BACKUP_DIR, in bytes"
})
const failures = Metric.counter("dmp_backup_failures_total", {
  description: "Scheduled backups that failed",
  incremental: true
})

const compression = "gzip"
/** A node that has just started has better things to do. */
const grace = Duration.seconds(10)
/** How soon a failed backup is tried again, unless the interval is shorter. */
const retryAfter = Duration.minutes(10)
/** No backup takes this long; what is older was interrupted. */
const leftoverAge = Duration.hours(6)

const ownName = /^dnsmesh-backup-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.tar\.gz$/

/** When a backup of this name was begun, Unix ms; nothing for names that are not ours. */
const begunAt = (name: string): Option.Option<number> =>
  Option.flatMap(Option.fromNullable(ownName.exec(name)), ([, y, mo, d, h, mi, s]) =>
    Option.some(Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s)))
  )

interface Kept {
  readonly path: string
  readonly at: number
}

/** The node's own backups in `directory`, newest first. */
const list = (directory: string) =>
  attempt(`read ${directory}`, async (): Promise<ReadonlyArray<Kept>> => {
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return []
      throw error
    })
    return names
      .flatMap((name) =>
        Option.toArray(Option.map(begunAt(name), (at) => ({ path: join(directory, name), at })))
      )
      .sort((a, b) => b.at - a.at)
  })

export const layer = (build: Backup.Contents["build"]) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const { directory: configured, interval, keep } = yield* BackupConfig
      if (Option.isNone(configured)) return
      const directory = resolve(configured.value)
      const every = Duration.seconds(interval)
      const contents: Backup.Contents = {
        databases: databases(yield* StoreConfig),
        secrets: [],
        build,
        compression
      }
      yield* Metric.set(lastSuccess, 0)
      yield* Metric.incrementBy(failures, 0)

      const backup = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const file = join(directory, Backup.fileName(now, compression))
        const bytes = yield* BackupThread.make({ contents, file })
        yield* Metric.set(lastSuccess, Math.floor(now / 1000))
        yield* Metric.set(size, bytes)
        yield* Effect.logInfo(`backup of ${bytes} bytes written to ${file}`)
        for (const { path } of (yield* list(directory)).slice(keep))
          yield* attempt(`delete ${path}`, () => rm(path, { force: true }))
        yield* Backup.removeLeftovers(directory, now - Duration.toMillis(leftoverAge))
        return every
      }).pipe(
        Effect.catchAllCause((cause) =>
          Metric.increment(failures).pipe(
            Effect.zipRight(Effect.logError("backup failed", cause)),
            Effect.as(Duration.min(every, retryAfter))
          )
        )
      )

      /** How long until the first one is due, by the newest there is. */
      const untilDue = Effect.gen(function* () {
        const [newest] = yield* list(directory)
        if (newest === undefined) return grace
        yield* Metric.set(lastSuccess, Math.floor(newest.at / 1000))
        const { size: bytes } = yield* attempt(`read ${newest.path}`, () => stat(newest.path))
        yield* Metric.set(size, bytes)
        const due = newest.at + Duration.toMillis(every) - (yield* Clock.currentTimeMillis)
        return Duration.max(grace, Duration.millis(Math.min(due, Duration.toMillis(every))))
      }).pipe(Effect.catchAll((error) => Effect.as(Effect.logWarning(error.message), grace)))

      const first = yield* untilDue
      yield* Effect.iterate(first, {
        while: () => true,
        body: (delay) => Effect.delay(backup, delay)
      }).pipe(Effect.annotateLogs({ logger: "dmp.server.backup" }), Effect.forkScoped)
    })
  )
