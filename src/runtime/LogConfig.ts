/** How much is logged, and in which form. */
import { type Config, Context, Layer } from "effect"
import * as Setting from "./Setting.ts"

export const levels = [
  "DEBUG",
  "INFO",
  "WARNING",
  "ERROR",
  "CRITICAL",
  "WARN",
  "FATAL",
  "NOTSET"
] as const
export const formats = ["text", "json"] as const

export const settings = {
  level: Setting.literal("DMP_LOG_LEVEL", {
    about: "Least level that is logged. At DEBUG the log names clients and owner names.",
    values: levels,
    default: "INFO"
  }),
  format: Setting.literal("DMP_LOG_FORMAT", {
    about: "Form of the log: lines of text, or one JSON object a line.",
    values: formats,
    default: "text"
  }),
  security: Setting.boolean("DMP_SECURITY_LOG", {
    about:
      "Log refused credentials and exceeded limits with the client's whole address (IPv6: its /64), for fail2ban. Off, no whole address is logged above DEBUG.",
    default: false
  })
}

export interface LogConfigShape {
  readonly level: (typeof levels)[number]
  readonly format: (typeof formats)[number]
  /** Whether refusals are logged with addresses. */
  readonly security: boolean
}

export const config: Config.Config<LogConfigShape> = Setting.all(settings)

export class LogConfig extends Context.Tag("dnsmesh/runtime/LogConfig")<
  LogConfig,
  LogConfigShape
>() {
  static readonly layer = Layer.effect(LogConfig, config)
}
