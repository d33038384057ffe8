/**
 * The log: lines of text, or one JSON object a line, on standard output. Invariant: in JSON
 * one event is one line; in text nothing but a traceback adds lines, and those are indented,
 * so that no client can write a line of its own.
 */
import { Array, Cause, Effect, HashMap, Layer, List, Logger, LogLevel } from "effect"
import { LogConfig, type LogConfigShape } from "./LogConfig.ts"
import { counterFamily } from "./Metrics.ts"
import { redact, redactText } from "./Redaction.ts"

export type LevelName = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL"

/** One event, ready to be written in either form. */
export interface Event {
  readonly date: Date
  readonly level: LevelName
  readonly logger: string
  readonly msg: string
  /** What went wrong, with its traceback; over several lines. */
  readonly exc: string | undefined
  readonly extras: Readonly<Record<string, unknown>>
}

const count = counterFamily("dmp_log_events_total", "Events logged, by level", "level", [
  "debug",
  "info",
  "warning",
  "error",
  "critical"
])
const countLevel: Readonly<Record<LevelName, () => void>> = {
  DEBUG: () => count("debug"),
  INFO: () => count("info"),
  WARNING: () => count("warning"),
  ERROR: () => count("error"),
  CRITICAL: () => count("critical")
}

const levelName = (level: LogLevel.LogLevel): LevelName =>
  level.ordinal >= LogLevel.Fatal.ordinal
    ? "CRITICAL"
    : level.ordinal >= LogLevel.Error.ordinal
      ? "ERROR"
      : level.ordinal >= LogLevel.Warning.ordinal
        ? "WARNING"
        : level.ordinal >= LogLevel.Info.ordinal
          ? "INFO"
          : "DEBUG"

const minimum: Readonly<Record<LogConfigShape["level"], LogLevel.LogLevel>> = {
  NOTSET: LogLevel.All,
  DEBUG: LogLevel.Debug,
  INFO: LogLevel.Info,
  WARN: LogLevel.Warning,
  WARNING: LogLevel.Warning,
  ERROR: LogLevel.Error,
  FATAL: LogLevel.Fatal,
  CRITICAL: LogLevel.Fatal
}

/** The logger an event belongs to unless it is annotated with another `logger`. */
const defaultLogger = "dmp.server.node"

/** Takes an Effect log entry apart: texts make the message, plain objects are extras. */
export const toEvent = (options: Logger.Logger.Options<unknown>): Event => {
  const { annotations, cause, date, logLevel, message, spans } = options
  const texts: Array<string> = []
  const failures: Array<string> = []
  const extras: Record<string, unknown> = {}
  for (const part of Array.ensure(message)) {
    if (part instanceof Error) failures.push(Cause.pretty(Cause.fail(part)))
    else if (isPlain(part))
      for (const [key, value] of Object.entries(part)) extras[key] = redact(key, value)
    else texts.push(String(redact("", part)))
  }
  let logger = defaultLogger
  for (const [key, value] of HashMap.entries(annotations))
    if (key === "logger") logger = String(value)
    else extras[key] = redact(key, value)
  for (const { label, startTime } of List.toArray(spans))
    extras[`${label}_ms`] = date.getTime() - startTime
  if (!Cause.isEmpty(cause)) failures.push(Cause.pretty(cause, { renderErrorCause: true }))
  return {
    date,
    level: levelName(logLevel),
    logger,
    msg: texts.join(" "),
    exc: failures.length === 0 ? undefined : redactText(failures.join("\n")),
    extras
  }
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const reserved = new Set(["ts", "level", "logger", "msg", "exc"])

const escapeChar = (char: string): string =>
  char
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("")

/** One line of JSON in ASCII. An extra never takes the place of what every event has. */
export const toJsonLine = ({ date, level, logger, msg, exc, extras }: Event): string => {
  const named = Object.entries(extras).map(([key, value]) => [
    reserved.has(key) ? `${key}_` : key,
    value
  ])
  const event = {
    ts: date.toISOString(),
    level,
    logger,
    msg,
    ...(exc === undefined ? {} : { exc }),
    ...Object.fromEntries(named)
  }
  return JSON.stringify(event).replace(/[\u007f-\uffff]/g, escapeChar)
}

const two = (number: number): string => String(number).padStart(2, "0")

/** `2026-11-23 12:30:00,123`, local time. */
const localTime = (date: Date): string =>
  `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
  `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())},` +
  String(date.getMilliseconds()).padStart(3, "0")

const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, escapeChar)

const plain = /^[\x21\x23-\x3c\x3e-\x7e]+$/
const field = ([key, value]: [string, unknown]): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return `${key}=${typeof value !== "string" || plain.test(text) ? text : JSON.stringify(text)}`
}

/** A line of text, extras at its end as `key=value`, a traceback indented below. */
export const toTextLine = ({ date, level, logger, msg, exc, extras }: Event): string => {
  const message = oneLine([msg, ...Object.entries(extras).map(field)].join(" "))
  const trace =
    exc === undefined
      ? []
      : exc.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => `  ${oneLine(line)}`)
  return [`${localTime(date)} ${level} ${oneLine(logger)}: ${message}`, ...trace].join("\n")
}

/** Logs in the given form from the given level on; `write` gets each event with its newline. */
export const layerWith = (
  { level, format }: Pick<LogConfigShape, "level" | "format">,
  write: (text: string) => void
): Layer.Layer<never> => {
  const render = format === "json" ? toJsonLine : toTextLine
  const logger = Logger.make<unknown, void>((options) => {
    const event = toEvent(options)
    countLevel[event.level]()
    write(`${render(event)}\n`)
  })
  return Layer.merge(
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(minimum[level])
  )
}

/** Whoever reads our output may go away; that must not end the node. */
const surviveClosedOutput = Layer.scopedDiscard(
  Effect.acquireRelease(
    Effect.sync(() => {
      const ignore = () => {}
      process.stdout.on("error", ignore)
      return ignore
    }),
    (ignore) => Effect.sync(() => void process.stdout.off("error", ignore))
  )
)

/** The log on standard output, as configured. */
export const layer: Layer.Layer<never, never, LogConfig> = Layer.unwrapEffect(
  Effect.map(LogConfig, (config) =>
    Layer.merge(
      surviveClosedOutput,
      layerWith(config, (text) => void process.stdout.write(text))
    )
  )
)
