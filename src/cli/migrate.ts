/** `dnsmesh-node migrate`: what this release changes in the databases of another, and doing it. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Console, Effect } from "effect"
import { loadConfig } from "../Settings.ts"
import { refuse } from "../sql/BackupError.ts"
import { databases } from "../sql/DataFiles.ts"
import * as MigrationReport from "../sql/MigrationReport.ts"
import { copyOf } from "../sql/PreMigration.ts"

const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Only say what would change; works while a node runs")
)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const difference = (what: string, { before, after }: { before: number; after: number }) =>
  before === after ? [] : [`  ${what} ${before} becomes ${after}`]

const lines = (change: MigrationReport.DatabaseChange): ReadonlyArray<string> => {
  if (!MigrationReport.changesAnything(change))
    return [`${change.role}: ${change.path} stays as it is`]
  const { step, userVersion } = change
  return [
    `${change.role}: ${change.path}`,
    ...difference("user_version", userVersion),
    ...difference("step", step),
    ...change.added.map((object) => `  adds ${object}`),
    ...change.tables.flatMap(({ columnsAdded, rowsAfter, rowsBefore, rowsChanged, table }) => [
      ...columnsAdded.map((column) => `  adds column ${table}.${column}`),
      ...(rowsChanged > 0 || rowsAfter !== rowsBefore
        ? [`  rewrites ${rowsChanged} of the ${rowsBefore} rows of ${table}, leaving ${rowsAfter}`]
        : [])
    ]),
    `  copy: ${copyOf(change.path, Math.max(step.after, userVersion.after))}`
  ]
}

export const migrate = Command.make("migrate", { dryRun, json }, ({ dryRun, json }) =>
  Effect.gen(function* () {
    const { config } = yield* loadConfig(process.env, { mayCreate: false }).pipe(
      Effect.provide(NodeFileSystem.layer)
    )
    const files = MigrationReport.present(databases(config.store))
    if (files.length === 0)
      return yield* refuse(
        `there is no database at ${config.store.dbPath}; is DMP_DB_PATH that of the node?`
      )
    const changes = yield* Effect.forEach(files, MigrationReport.inspect)
    const due = changes.some(MigrationReport.changesAnything)
    yield* json
      ? Console.log(JSON.stringify({ dryRun, due, databases: changes }, null, 2))
      : Effect.forEach(changes.flatMap(lines), (line) => Console.log(line), { discard: true })
    if (dryRun || !due) return
    yield* MigrationReport.migrate(files)
    if (!json) yield* Console.log("done; the former state is in the copies named above")
  })
).pipe(
  Command.withDescription(
    "Bring the databases to this release, keeping copies; the node does so when it starts"
  )
)
