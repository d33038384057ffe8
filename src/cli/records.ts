/** `records …`: what a node holds, looked at beside it, and brought in through its write path. */
import * as Command from "@effect/cli/Command"
import { check } from "./records/check.ts"
import { exportRecords } from "./records/export.ts"
import { get } from "./records/get.ts"
import { importRecords } from "./records/import.ts"
import { list } from "./records/list.ts"

export const records = Command.make("records").pipe(
  Command.withDescription("The records of the node: list, get, check, export, import"),
  Command.withSubcommands([list, get, check, exportRecords, importRecords])
)
