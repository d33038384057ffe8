/** The commands with which an operator looks after a node. */
import * as Backup from "./backup.ts"
import { init } from "./init.ts"
import { migrate } from "./migrate.ts"

export const operationsCommands = [
  Backup.backup,
  Backup.verify,
  Backup.restore,
  migrate,
  init
] as const
