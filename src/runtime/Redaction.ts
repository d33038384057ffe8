/**
 * Keeps secrets out of what is logged: by the name of what holds them, and by their shape in
 * running text. A last line of defence; nobody should pass a secret here in the first place.
 */
import { Inspectable, Option, Predicate, Redacted } from "effect"

const secretKey = /authorization|cookie|password|private_?key|secret|signature|challenge|token/i
const masked = "[redacted]"
const deepest = 6

const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(bearer|basic)(\s+)[^\s",;]+/gi, `$1$2${masked}`],
  [/\bdmp_v1_[A-Za-z0-9_-]+/g, masked],
  [
    /([?&;](?:[a-z_-]*(?:token|secret|signature|challenge|password)[a-z_-]*)=)[^&\s"#]+/gi,
    `$1${masked}`
  ]
]

/** `text` without what looks like a credential. */
export const redactText = (text: string): string =>
  shapes.reduce((redacted, [shape, mask]) => redacted.replace(shape, mask), text)

const asText = Option.liftThrowable((value: unknown) =>
  value instanceof Error ? `${value.name}: ${value.message}` : Inspectable.toStringUnknown(value, 0)
)

const toJson = Option.liftThrowable((value: object): unknown =>
  Predicate.hasProperty(value, "toJSON") && typeof value.toJSON === "function"
    ? value.toJSON()
    : undefined
)
const entriesOf = Option.liftThrowable((value: object) => Object.entries(value))

/** A value JSON can hold, without secrets, for `value` found under `key`. Never throws. */
export const redact = (key: string, value: unknown, depth = 0): unknown => {
  if (typeof value === "boolean" || value === null) return value
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  if (Redacted.isRedacted(value) || secretKey.test(key)) return masked
  if (typeof value === "string") return redactText(value)
  const text = () => redactText(Option.getOrElse(asText(value), () => "(unprintable)"))
  if (typeof value !== "object" || value instanceof Error) return text()
  if (depth >= deepest) return "…"
  if (Array.isArray(value)) return value.map((item) => redact("", item, depth + 1))
  return Option.match(toJson(value), {
    onNone: () => "(unprintable)",
    onSome: (json) => {
      if (json !== undefined) return redact(key, json, depth + 1)
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) return text()
      return Option.match(entriesOf(value), {
        onNone: () => "(unprintable)",
        onSome: (entries) =>
          Object.fromEntries(entries.map(([name, item]) => [name, redact(name, item, depth + 1)]))
      })
    }
  })
}
