/** The commands with which an operator looks after a node. */
import * as Backup from "./backup.ts"
import { doctor } from "./doctor.ts"
import { healthcheck } from "./healthcheck.ts"
import { init } from "./init.ts"
import { migrate } from "./migrate.ts"

export const operationsCommands = [
  init,
  doctor,
  healthcheck,
  Backup.backup,
  Backup.verify,
  Backup.restore,
  migrate
] as const
