/**
 * The environment as a whole: what in it no setting reads. Invariant: nothing here shows a
 * value, so that a secret under a mistyped name stays one.
 */
import { closest, distance } from "fastest-levenshtein"
import { namesOf, type Setting } from "./Setting.ts"

/** Variable names and values, as a process finds them; empty values count as unset. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Something to be logged once logging is up. */
export interface Notice {
  readonly level: "INFO" | "WARNING"
  readonly message: string
}

export const isSet = (environment: Environment, name: string): boolean =>
  (environment[name] ?? "").trim() !== ""

/** The variable whose file holds the value instead, as container secrets do. */
export const fileVariable = (name: string): string => `${name}_FILE`

/** Every variable that `setting` answers to. */
export const variablesOf = (setting: Setting<unknown>): ReadonlyArray<string> =>
  setting.inFile ? namesOf(setting).flatMap((name) => [name, fileVariable(name)]) : namesOf(setting)

/** The first of its names under which `setting` is set, if any. */
export const usedName = (environment: Environment, setting: Setting<unknown>): string | undefined =>
  variablesOf(setting).find((name) => isSet(environment, name))

/** A warning for every setting that is set under two of its names: the first one counts. */
export const aliasNotices = (
  environment: Environment,
  settings: ReadonlyArray<Setting<unknown>>
): ReadonlyArray<Notice> =>
  settings.flatMap((setting) => {
    const [used, ...shadowed] = variablesOf(setting).filter((name) => isSet(environment, name))
    return shadowed.map((name) => ({
      level: "WARNING" as const,
      message: `${name} is ignored because ${used} is set`
    }))
  })

const likeness = (a: string, b: string) => distance(a, b) / Math.max(a.length, b.length)

/** A warning for every `DMP_` variable that nothing reads, and a line for every outdated one. */
export const unknownNotices = (
  environment: Environment,
  settings: ReadonlyArray<Setting<unknown>>,
  outdated: ReadonlyArray<string>
): ReadonlyArray<Notice> => {
  const known = settings.flatMap(variablesOf)
  return Object.keys(environment)
    .filter((name) => name.startsWith("DMP_") && !known.includes(name))
    .sort()
    .map((name): Notice => {
      if (outdated.includes(name))
        return { level: "INFO", message: `${name} has no effect on this node and is ignored` }
      // Names come from outside: what is printed of them is cut and cleaned.
      const shown = name.slice(0, 80).replace(/[^\x21-\x7e]/g, "?")
      const near = closest(shown, known)
      const hint = likeness(shown, near) <= 0.34 ? `, did you mean ${near}?` : ""
      return { level: "WARNING", message: `${shown} is not a variable of this node${hint}` }
    })
}
