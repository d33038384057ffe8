/**
 * What opening the databases with this release would change, found by doing it to copies.
 * Invariant: the databases themselves are only read.
 */
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { copyFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { workDirectory } from "./Backup.ts"
import { attempt, type BackupError, because } from "./BackupError.ts"
import * as DatabaseCopy from "./DatabaseCopy.ts"
import type { DataFile } from "./DataFiles.ts"
import type { AnyHostedStore } from "./HostedStore.ts"
import * as SqlRecordStore from "./SqlRecordStore.ts"
import * as SqlSeenStore from "./SqlSeenStore.ts"
import * as SqlSyncState from "./SqlSyncState.ts"
import * as SqlTokenStore from "./SqlTokenStore.ts"
import * as SqlTsigKeyStore from "./SqlTsigKeyStore.ts"

/** Which store opens which database. */
export const openers: Readonly<Record<string, AnyHostedStore>> = {
  records: SqlRecordStore.hosted,
  token: SqlTokenStore.hosted,
  tsig: SqlTsigKeyStore.hosted,
  heartbeat: SqlSeenStore.hosted,
  sync: SqlSyncState.hosted
}

export interface TableChange {
  readonly table: string
  readonly rowsBefore: number
  readonly rowsAfter: number
  /** Rows that stand in the table no more as they were, in the columns it had. */
  readonly rowsChanged: number
  readonly columnsAdded: ReadonlyArray<string>
}

export interface DatabaseChange extends DataFile {
  readonly userVersion: { readonly before: number; readonly after: number }
  readonly step: { readonly before: number; readonly after: number }
  /** Tables and indexes. */
  readonly added: ReadonlyArray<string>
  readonly tables: ReadonlyArray<TableChange>
}

export const changesAnything = (change: DatabaseChange): boolean =>
  change.userVersion.before !== change.userVersion.after ||
  change.step.before !== change.step.after ||
  change.added.length > 0 ||
  change.tables.length > 0

const name = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`

/** Compares the database at `after` with the one at `before`. */
const compare = (file: DataFile, before: string, after: string) =>
  Effect.gen(function* () {
    const [was, is] = yield* Effect.all([
      DatabaseCopy.describe(before),
      DatabaseCopy.describe(after)
    ])
    return yield* DatabaseCopy.reading(after, `compare ${file.path}`, (connection) =>
      Effect.gen(function* () {
        const query = <A>(text: string, ...params: ReadonlyArray<unknown>) =>
          Effect.map(connection.execute(text, params, undefined), (rows): ReadonlyArray<A> => rows)
        const columns = (schema: string, table: string) =>
          Effect.map(
            query<{ name: string }>(
              `SELECT name FROM pragma_table_info(?) AS c WHERE c.schema = ?`,
              table,
              schema
            ),
            (rows) => rows.map((row) => row.name)
          )
        yield* query("ATTACH ? AS was", before)
        const added = yield* query<{ kind: string; name: string }>(
          `SELECT type AS kind, name FROM main.sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
           AND (type, name) NOT IN (SELECT type, name FROM was.sqlite_schema) ORDER BY type DESC, name`
        )
        const tables: Array<TableChange> = []
        for (const [table, rowsBefore] of Object.entries(was.rows)) {
          const [had, has] = yield* Effect.all([columns("was", table), columns("main", table)])
          const common = had
            .filter((column) => has.includes(column))
            .map(name)
            .join(", ")
          const [changed] = yield* query<{ n: number }>(
            `SELECT count(*) AS n FROM (SELECT ${common} FROM was.${name(table)}
             EXCEPT SELECT ${common} FROM main.${name(table)})`
          )
          const change = {
            table,
            rowsBefore,
            rowsAfter: is.rows[table] ?? 0,
            rowsChanged: changed?.n ?? 0,
            columnsAdded: has.filter((column) => !had.includes(column))
          }
          if (
            change.rowsChanged > 0 ||
            change.rowsAfter !== rowsBefore ||
            change.columnsAdded.length > 0
          )
            tables.push(change)
        }
        return {
          ...file,
          userVersion: { before: was.userVersion, after: is.userVersion },
          step: { before: was.step, after: is.step },
          added: added.map((row) => `${row.kind} ${row.name}`),
          tables
        }
      })
    )
  })

/** What would change in one database; it may be in use meanwhile. */
export const inspect = (file: DataFile): Effect.Effect<DatabaseChange, BackupError> =>
  Effect.gen(function* () {
    const directory = yield* workDirectory(dirname(file.path))
    const before = join(directory, "before.db")
    const after = join(directory, "after.db")
    yield* DatabaseCopy.snapshot(file.path, before)
    yield* attempt(`copy ${file.path}`, () => copyFile(before, after))
    const opener = openers[file.role]
    if (opener !== undefined)
      yield* opener.open(after).pipe(
        Effect.scoped,
        Effect.mapError((error) => because(`migrate ${file.path}`)(new Error(reasonOf(error))))
      )
    return yield* compare(file, before, after)
  }).pipe(Effect.scoped)

// The copy's name means nothing to the operator.
const reasonOf = ({ message, path }: { readonly message: string; readonly path: string }) =>
  path === "" ? message : message.replaceAll(path, "the file")

/** Those of `files` that exist. */
export const present = (files: ReadonlyArray<DataFile>): ReadonlyArray<DataFile> =>
  files.filter(({ path }) => existsSync(path))

/**
 * Migrates the databases themselves, each as its store does when the node starts. The records
 * stay open until the others are done, which keeps nodes out.
 */
export const migrate = (files: ReadonlyArray<DataFile>): Effect.Effect<void, BackupError> =>
  Effect.forEach(
    present(files),
    ({ path, role }) => {
      const opener = openers[role]
      return opener === undefined
        ? Effect.void
        : Effect.mapError(opener.open(path), because(`migrate ${path}`))
    },
    { discard: true }
  ).pipe(Effect.scoped)
