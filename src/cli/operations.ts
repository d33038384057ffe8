/** The commands with which an operator looks after a node. */
import * as Backup from "./backup.ts"

export const operationsCommands = [Backup.backup, Backup.verify, Backup.restore] as const
