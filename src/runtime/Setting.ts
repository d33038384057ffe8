/**
 * One environment variable, described once: its names, what it accepts, its default and how
 * it is read. Invariant: an empty value is an unset one, and every refusal names the variable,
 * the value (unless it is a secret) and what would be accepted.
 */
import { Config, ConfigError, Either, Option, Record, Redacted } from "effect"

export interface Setting<out A> {
  readonly name: string
  /** Older names, asked in order when `name` is unset. */
  readonly aliases: ReadonlyArray<string>
  readonly about: string
  /** Completes "give …". */
  readonly accepts: string
  readonly defaultText: string
  /** True when the value must never be shown. */
  readonly secret: boolean
  /** True when it may also come from a file named by `NAME_FILE`: a secret, or a list of which some part changes. */
  readonly inFile: boolean
  readonly config: Config.Config<A>
}

/** What every constructor asks for. */
export interface Described {
  readonly about: string
  readonly aliases?: ReadonlyArray<string>
  /** Shown in the reference instead of the default itself, where that is derived. */
  readonly defaultText?: string
}

interface Parsed<A> extends Described {
  readonly accepts: string
  readonly defaultText: string
  /** Gets the trimmed, non-empty text. */
  readonly parse: (text: string) => Option.Option<A>
  readonly fallback: () => A
  readonly secret?: boolean
  readonly inFile?: boolean
}

const shownCharacters = 80

/** `text` quoted on one line, without control or invisible characters, cut to a bearable length. */
export const quote = (text: string): string => {
  const cut = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
  return JSON.stringify(cut).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, "0")}`
  )
}

/** The error of a variable that cannot be used as it stands. */
export const mistake = (name: string, problem: string): ConfigError.ConfigError =>
  ConfigError.InvalidData([name], problem)

/** Names under which a setting is looked up, best first. */
export const namesOf = (setting: Setting<unknown>): ReadonlyArray<string> => [
  setting.name,
  ...setting.aliases
]

const text = (name: string): Config.Config<Option.Option<readonly [string, string]>> =>
  Config.option(Config.string(name)).pipe(
    Config.map(
      Option.filterMap((value) =>
        value.trim() === "" ? Option.none() : Option.some([name, value.trim()] as const)
      )
    )
  )

/** The general constructor: what `parse` refuses becomes a mistake. */
export const parsed = <A>(name: string, options: Parsed<A>): Setting<A> => {
  const { parse, fallback, secret = false, inFile = secret } = options
  const { aliases = [], about, accepts, defaultText } = options
  const config = Config.all([name, ...aliases].map(text)).pipe(
    Config.mapOrFail((found): Either.Either<A, ConfigError.ConfigError> => {
      const first = Option.firstSomeOf(found)
      if (Option.isNone(first)) return Either.right(fallback())
      const [usedName, value] = first.value
      return Either.fromOption(parse(value), () =>
        mistake(
          usedName,
          `${secret ? "the value (hidden)" : quote(value)} is refused, give ${accepts}`
        )
      )
    })
  )
  return { name, aliases, about, accepts, defaultText, secret, inFile, config }
}

/** Reads a record of settings as one; all that is wrong is reported together. */
export const all = <A extends Readonly<Record<string, unknown>>>(settings: {
  readonly [K in keyof A]: Setting<A[K]>
}): Config.Config<A> =>
  // TypeScript cannot follow a mapped type through `Record.map`: key by key the types agree.
  Config.all(
    Record.map(settings as Record<string, Setting<unknown>>, (setting) => setting.config)
  ) as Config.Config<Record<string, unknown>> as Config.Config<A>

interface Range {
  readonly min: number
  readonly max: number
  readonly default: number
}

const rangeText = ({ min, max }: Range): string =>
  max === Number.MAX_SAFE_INTEGER || max === Infinity
    ? `of at least ${min}`
    : `from ${min} to ${max}`

const ranged = (
  name: string,
  options: Described & Range,
  kind: string,
  grammar: RegExp
): Setting<number> =>
  parsed(name, {
    ...options,
    accepts: `${kind} ${rangeText(options)}`,
    defaultText: options.defaultText ?? String(options.default),
    parse: (value) =>
      Option.some(value).pipe(
        Option.filter((digits) => grammar.test(digits)),
        Option.map(Number),
        Option.filter((number) => number >= options.min && number <= options.max)
      ),
    fallback: () => options.default
  })

// ASCII digits only: no exponents, no 0x, no digits of other scripts, no Infinity.
const wholeGrammar = /^[+-]?[0-9]{1,15}$/
const decimalGrammar = /^[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})$/

export const integer = (name: string, options: Described & Range): Setting<number> =>
  ranged(name, options, "a whole number", wholeGrammar)

export const number = (name: string, options: Described & Range): Setting<number> =>
  ranged(name, options, "a number", decimalGrammar)

/** A duration in seconds; fractions are allowed. */
export const seconds = (name: string, options: Described & Range): Setting<number> =>
  ranged(name, options, "a number of seconds", decimalGrammar)

const eitherWay = "one of 1, true, yes, on, 0, false, no, off"

const yes = ["1", "true", "yes", "on"]
const no = ["0", "false", "no", "off"]

const toBoolean = (value: string): Option.Option<boolean> => {
  const text = value.toLowerCase()
  return yes.includes(text) || no.includes(text) ? Option.some(yes.includes(text)) : Option.none()
}

export const boolean = (
  name: string,
  options: Described & { readonly default: boolean }
): Setting<boolean> =>
  parsed(name, {
    ...options,
    accepts: eitherWay,
    defaultText: options.defaultText ?? (options.default ? "on" : "off"),
    parse: toBoolean,
    fallback: () => options.default
  })

const choose =
  <const L extends string>(values: ReadonlyArray<L>) =>
  (value: string): Option.Option<L> =>
    Option.fromNullable(values.find((known) => known.toLowerCase() === value.toLowerCase()))

/** One of `values`, in any case. */
export const literal = <const L extends string>(
  name: string,
  options: Described & { readonly values: ReadonlyArray<L>; readonly default: NoInfer<L> }
): Setting<L> =>
  parsed(name, {
    ...options,
    accepts: `one of ${options.values.join(", ")}`,
    defaultText: options.defaultText ?? options.default,
    parse: choose(options.values),
    fallback: () => options.default
  })

/** Makes absence a value of its own. */
const orNone = <A>(
  name: string,
  options: Omit<Parsed<A>, "fallback" | "defaultText"> & Described
): Setting<Option.Option<A>> =>
  parsed<Option.Option<A>>(name, {
    ...options,
    defaultText: options.defaultText ?? "(none)",
    parse: (value) => Option.map(options.parse(value), Option.some),
    fallback: Option.none
  })

export { orNone as optional }

/** On, off, or left to what else is set. */
export const optionalBoolean = (
  name: string,
  options: Described
): Setting<Option.Option<boolean>> =>
  orNone(name, { ...options, accepts: eitherWay, parse: toBoolean })

/** One of `values`, in any case, or nothing. */
export const optionalLiteral = <const L extends string>(
  name: string,
  options: Described & { readonly values: ReadonlyArray<L> }
): Setting<Option.Option<L>> =>
  orNone(name, {
    ...options,
    accepts: `one of ${options.values.join(", ")}`,
    parse: choose(options.values)
  })

const printable = Option.liftPredicate((value: string) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value))

export const string = (
  name: string,
  options: Described & { readonly default: string }
): Setting<string> =>
  parsed(name, {
    ...options,
    accepts: "text without control characters",
    defaultText: options.defaultText ?? options.default,
    parse: printable,
    fallback: () => options.default
  })

export const optionalText = (name: string, options: Described): Setting<Option.Option<string>> =>
  orNone(name, { ...options, accepts: "text without control characters", parse: printable })

/** A file's path. */
export const path = (
  name: string,
  options: Described & { readonly default: string }
): Setting<string> => ({ ...string(name, options), accepts: "the path of a file" })

export const optionalPath = (name: string, options: Described): Setting<Option.Option<string>> => ({
  ...optionalText(name, options),
  accepts: "the path of a file"
})

/**
 * Items between commas, each trimmed; empty ones and repetitions are dropped. The word `none`
 * is the empty list, which an empty value, being unset, cannot say.
 */
export const list = <A>(
  name: string,
  options: Described & {
    /** Completes "comma-separated …". */
    readonly items: string
    readonly parseItem: (item: string) => Option.Option<A>
    readonly default?: () => ReadonlyArray<A>
    readonly inFile?: boolean
  }
): Setting<ReadonlyArray<A>> =>
  parsed<ReadonlyArray<A>>(name, {
    ...options,
    accepts: `comma-separated ${options.items}`,
    defaultText: options.defaultText ?? "(none)",
    parse: (value) =>
      value.toLowerCase() === "none"
        ? Option.some([])
        : Option.map(
            Option.all(
              value
                .split(",")
                .map((item) => item.trim())
                .filter((item) => item !== "")
                .map(options.parseItem)
            ),
            (items) => [...new Set(items)]
          ),
    fallback: options.default ?? (() => [])
  })

// What an HTTP header can carry, so that a token that is accepted here can also be sent.
const headerSafe = /^[\x20-\x7e]+$/

/** A secret, or nothing. It never appears in a message, a log line or the effective settings. */
export const secret = (
  name: string,
  options: Described & {
    readonly accepts?: string
    readonly parse?: (text: string) => Option.Option<string>
  }
): Setting<Option.Option<Redacted.Redacted<string>>> =>
  orNone(name, {
    ...options,
    secret: true,
    accepts: options.accepts ?? "printable ASCII text on one line",
    parse: (value) =>
      Option.map(
        (options.parse ?? Option.liftPredicate((s: string) => headerSafe.test(s)))(value),
        Redacted.make
      )
  })
