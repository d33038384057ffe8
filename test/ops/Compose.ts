/**
 * Reads compose files the way the Compose specification says: interpolate each file, then merge
 * them in order (mappings deeply, `environment` by name, sequences appended without repeats,
 * `!override` replacing). Only what our files use; anything else it meets is an error.
 */
import { readFileSync } from "node:fs"
import { parse, type ScalarTag, type CollectionTag, YAMLSeq } from "yaml"

export type Variables = Readonly<Record<string, string>>
type Mapping = { [key: string]: unknown }

class Overriding {
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}

const overriding: ReadonlyArray<CollectionTag | ScalarTag> = [
  {
    tag: "!override",
    collection: "seq",
    resolve: (node) => {
      if (!(node instanceof YAMLSeq)) throw new Error("!override of something but a sequence")
      return new Overriding(node.toJSON()) as never
    }
  }
]

const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `$VAR`, `${VAR}` and the forms with `-`, `+`, `?` (`:` counts empty as unset); they nest. */
export const interpolate = (text: string, variables: Variables): string => {
  let at = 0
  const until = (end: string): string => {
    let out = ""
    const ended = () => at >= text.length || (end !== "" && text.startsWith(end, at))
    while (!ended()) {
      if (text.startsWith("$$", at)) {
        out += "$"
        at += 2
      } else if (text[at] === "$") out += variable()
      else out += text[at++]!
    }
    if (end !== "" && at >= text.length) throw new Error(`no ${end} in ${text}`)
    return out
  }
  const variable = (): string => {
    const plain = /^\$([A-Za-z_]\w*)/.exec(text.slice(at))
    const braced = /^\$\{([A-Za-z_]\w*)(:?[-+?])?/.exec(text.slice(at))
    if (plain !== null) {
      at += plain[0].length
      return variables[plain[1]!] ?? ""
    }
    if (braced === null) throw new Error(`cannot interpolate ${text}`)
    at += braced[0].length
    const [, name, operator = ""] = braced
    const word = until("}")
    at += 1
    const value = variables[name!]
    const given = operator.startsWith(":") ? (value ?? "") !== "" : value !== undefined
    if (operator.endsWith("-")) return given ? value! : word
    if (operator.endsWith("+")) return given ? word : ""
    if (operator.endsWith("?") && !given) throw new Error(`required variable ${name}: ${word}`)
    return value ?? ""
  }
  return until("")
}

const interpolated = (value: unknown, variables: Variables): unknown => {
  if (typeof value === "string") return interpolate(value, variables)
  if (value instanceof Overriding) return new Overriding(interpolated(value.value, variables))
  if (Array.isArray(value)) return value.map((item) => interpolated(item, variables))
  if (isMapping(value))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, interpolated(item, variables)])
    )
  return value
}

/** A list of `NAME=value` as a mapping; a bare name, like a null, is taken from outside. */
const environment = (value: unknown): Mapping => {
  if (!Array.isArray(value)) return isMapping(value) ? value : {}
  return Object.fromEntries(
    value.map((entry) => {
      const [, name = "", assigned] = /^([^=]*)(?:=(.*))?$/s.exec(String(entry))!
      return [name, assigned ?? null]
    })
  )
}

const merged = (before: unknown, after: unknown, key: string): unknown => {
  if (after instanceof Overriding) return after.value
  if (key === "environment") return { ...environment(before), ...environment(after) }
  if (before === undefined) return isMapping(after) ? merged({}, after, key) : after
  if (Array.isArray(before) && Array.isArray(after)) return [...new Set([...before, ...after])]
  if (isMapping(before) && (isMapping(after) || after === null)) {
    const result: Mapping = { ...before }
    for (const [name, value] of Object.entries(after ?? {}))
      result[name] = merged(result[name], value, name)
    return result
  }
  return after
}

export interface Service extends Mapping {
  readonly environment: Readonly<Record<string, string>>
  readonly ports: ReadonlyArray<string>
  readonly volumes: ReadonlyArray<string>
}

export interface Project extends Mapping {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Mapping
}

/** The project that `docker compose -f … -f …` would run with these variables around it. */
export const project = (files: ReadonlyArray<string>, variables: Variables): Project => {
  const whole = files
    .map((file) => parse(readFileSync(file, "utf8"), { customTags: [...overriding] }) as unknown)
    .map((file) => interpolated(file, variables))
    .reduce((before, after) => merged(before, after, ""), {}) as Project
  for (const service of Object.values(whole.services)) {
    const named = environment(service.environment)
    Object.assign(service, {
      environment: Object.fromEntries(
        Object.entries(named)
          .map(([name, value]) => [name, value === null ? variables[name] : String(value)])
          .filter(([, value]) => value !== undefined)
      )
    })
  }
  return whole
}
