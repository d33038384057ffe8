/**
 * Keeps the database files small: writes a write-ahead log back while nobody writes, and gives
 * free pages back to the disk a few at a time. Lives on the store thread, over whatever is open
 * there.
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Context, Effect, Layer, Schema } from "effect"
import { stat } from "node:fs/promises"
import type { Task } from "../runtime/Upkeep.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import * as HostedStore from "./HostedStore.ts"
import * as OpenFiles from "./OpenFiles.ts"
import { asStoreError } from "./SqlReason.ts"
import { autocommit, transaction } from "./Transaction.ts"

export interface FileState {
  readonly path: string
  readonly walBytes: number
  readonly pageBytes: number
  readonly pages: number
  readonly freePages: number
  /** False for files that were made before free pages could be given back. */
  readonly shrinks: boolean
  /** Another text than before once anybody has written. */
  readonly mark: string
}

export class FileUpkeep extends Context.Tag("dnsmesh/sql/FileUpkeep")<
  FileUpkeep,
  {
    readonly look: Effect.Effect<ReadonlyArray<FileState>, StoreError>
    /** Empties the write-ahead log; false when somebody still reads from it. */
    readonly checkpoint: (path: string) => Effect.Effect<boolean, StoreError>
    /** Gives back at most `pages` free pages in one transaction; yields how many. */
    readonly release: (path: string, pages: number) => Effect.Effect<number, StoreError>
  }
>() {
  static readonly layer = Layer.sync(FileUpkeep, () =>
    FileUpkeep.of({
      look: asStoreError(Effect.forEach([...OpenFiles.all()], ([path, sql]) => stateOf(path, sql))),
      checkpoint: (path) => asStoreError(inFile(path, false, checkpoint)),
      release: (path, pages) => asStoreError(inFile(path, 0, (sql) => release(sql, pages)))
    })
  )
}

/** What `use` makes of an open file; `otherwise` for one that has been closed since. */
const inFile = <A>(
  path: string,
  otherwise: A,
  use: (sql: SqlClient) => Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError> => {
  const sql = OpenFiles.all().get(path)
  return sql === undefined ? Effect.succeed(otherwise) : use(sql)
}

interface Counts {
  readonly pages: number
  readonly free: number
  readonly bytes: number
  readonly vacuum: number
  readonly version: number
  readonly changes: number
}

const stateOf = (path: string, sql: SqlClient) =>
  Effect.gen(function* () {
    const [counts] = yield* sql<Counts>`
      SELECT (SELECT page_count FROM pragma_page_count) AS pages,
             (SELECT freelist_count FROM pragma_freelist_count) AS free,
             (SELECT page_size FROM pragma_page_size) AS bytes,
             (SELECT auto_vacuum FROM pragma_auto_vacuum) AS vacuum,
             (SELECT data_version FROM pragma_data_version) AS version,
             total_changes() AS changes`
    const walBytes = yield* Effect.tryPromise(() => stat(`${path}-wal`)).pipe(
      Effect.match({ onSuccess: ({ size }) => size, onFailure: () => 0 })
    )
    return {
      path,
      walBytes,
      pageBytes: counts?.bytes ?? 0,
      pages: counts?.pages ?? 0,
      freePages: counts?.free ?? 0,
      shrinks: counts?.vacuum === incremental,
      // The first moves with others' commits, the second with our own.
      mark: `${counts?.version} ${counts?.changes}`
    } satisfies FileState
  })

/** As `PRAGMA auto_vacuum` counts. */
const incremental = 2

// Whoever reads must not make the writers wait behind us: without a timeout it is "not now".
const checkpoint = (sql: SqlClient) =>
  Effect.gen(function* () {
    const [before] = yield* sql<{ timeout: number }>`PRAGMA busy_timeout`
    const [result] = yield* autocommit(sql, "PRAGMA busy_timeout = 0").pipe(
      Effect.zipRight(sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`),
      Effect.ensuring(
        Effect.ignore(autocommit(sql, `PRAGMA busy_timeout = ${before?.timeout ?? 2000}`))
      )
    )
    return result?.busy === 0
  }).pipe(Effect.uninterruptible)

// One page a statement: the driver takes one step of a statement that returns no rows.
const release = (sql: SqlClient, pages: number) =>
  transaction(sql, (run) =>
    Effect.gen(function* () {
      const free = Effect.map(
        sql<{ free: number }>`SELECT freelist_count AS free FROM pragma_freelist_count`,
        ([row]) => row?.free ?? 0
      )
      const before = yield* free
      for (let at = 0; at < Math.min(pages, before); at++)
        yield* run("PRAGMA incremental_vacuum(1)")
      return before - (yield* free)
    })
  )

export const hosted = HostedStore.make(FileUpkeep, {
  name: "file-upkeep",
  errors: Schema.Never,
  members: { look: "effect", checkpoint: "call", release: "call" },
  layer: () => FileUpkeep.layer
})

/** Free octets a file keeps for what comes next, and the part of it that is worth the work. */
const spare = 16 * 1024 * 1024
const worthwhile = 4
/** Pages given back in one step: some 3 ms. */
const pagesAtOnce = 64

const isSlack = ({ freePages, pageBytes, pages, shrinks }: FileState): boolean =>
  shrinks && freePages * pageBytes > spare && freePages * worthwhile > pages

/** The tasks over the files of this node. */
export const tasks = Effect.map(FileUpkeep, (files): ReadonlyArray<Task> => {
  let marks = new Map<string, string>()
  return [
    {
      name: "checkpoint",
      every: "10 seconds",
      step: Effect.gen(function* () {
        const seen = yield* files.look
        const idle = seen.filter(
          ({ mark, path, walBytes }) => walBytes > 0 && marks.get(path) === mark
        )
        marks = new Map(seen.map(({ mark, path }) => [path, mark]))
        const emptied = yield* Effect.forEach(idle, ({ path }) => files.checkpoint(path))
        return emptied.filter((done) => done).length
      })
    },
    {
      name: "vacuum",
      every: "1 minute",
      step: Effect.gen(function* () {
        const slack = (yield* files.look).filter(isSlack)
        const released = yield* Effect.forEach(slack, ({ path }) =>
          files.release(path, pagesAtOnce)
        )
        return released.reduce((sum, pages) => sum + pages, 0)
      })
    }
  ]
})
