/**
 * Which databases a configuration has. Invariant: every path in `StoreConfig` whose name ends
 * in `DbPath` is one, so that a database added there is backed up without further ado.
 */
import { type Environment, fileVariable, isSet } from "../runtime/Environment.ts"
import { namesOf, type Setting } from "../runtime/Setting.ts"
import type { StoreConfigShape } from "./StoreConfig.ts"

export interface DataFile {
  /** What it holds, such as `records` or `token`; its name in archives and reports. */
  readonly role: string
  readonly path: string
}

/**
 * In the order in which they are copied: the records first, so that no copied record lacks the
 * credential it was written with.
 */
export const databases = (store: StoreConfigShape): ReadonlyArray<DataFile> => [
  { role: "records", path: store.dbPath },
  ...Object.entries(store).flatMap(([key, path]) =>
    key.endsWith("DbPath") && typeof path === "string"
      ? [{ role: key.slice(0, -"DbPath".length), path }]
      : []
  )
]

export interface SecretFile {
  /** The environment variable that names the file. */
  readonly variable: string
  readonly path: string
}

/** The files from which this environment takes secrets, keys and lists. */
export const secretFiles = (
  environment: Environment,
  settings: ReadonlyArray<Setting<unknown>>
): ReadonlyArray<SecretFile> =>
  settings
    .flatMap((setting) =>
      setting.inFile
        ? namesOf(setting).map(fileVariable)
        : namesOf(setting).filter((name) => name.endsWith("_KEY_PATH"))
    )
    .filter((variable) => isSet(environment, variable))
    .map((variable) => ({ variable, path: (environment[variable] ?? "").trim() }))
