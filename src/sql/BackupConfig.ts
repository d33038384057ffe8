/** Backups the node makes by itself. */
import { type Config, Context, Layer, type Option } from "effect"
import * as Setting from "../runtime/Setting.ts"

export const settings = {
  directory: Setting.optionalPath("DMP_BACKUP_DIR", {
    about:
      "Directory in which the node keeps backups of its databases; without it the node makes none. Secrets in files are not part of them.",
    defaultText: "(none)"
  }),
  interval: Setting.seconds("DMP_BACKUP_INTERVAL", {
    about: "Seconds between two backups.",
    min: 60,
    max: 31_536_000,
    default: 86_400
  }),
  keep: Setting.integer("DMP_BACKUP_KEEP", {
    about: "Backups that are kept, the newest; older ones of the node's own are deleted.",
    min: 1,
    max: 10_000,
    default: 7
  })
}

export interface BackupConfigShape {
  readonly directory: Option.Option<string>
  /** Seconds. */
  readonly interval: number
  readonly keep: number
}

export const config: Config.Config<BackupConfigShape> = Setting.all(settings)

export class BackupConfig extends Context.Tag("dnsmesh/sql/BackupConfig")<
  BackupConfig,
  BackupConfigShape
>() {
  static readonly layer = Layer.effect(BackupConfig, config)
}
