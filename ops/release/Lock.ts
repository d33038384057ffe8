/** What the lock file says of the packages a release is built from. */
import { readFileSync } from "node:fs"

interface Entry {
  readonly version: string
  readonly license?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
}

interface Lock {
  readonly packages: Readonly<Record<string, Entry>>
}

export const root = new URL("../../", import.meta.url)

export interface Package {
  readonly name: string
  readonly version: string
  /** An SPDX expression, or `unknown`. */
  readonly license: string
}

/** Every package that a running node has, or may have, inside it; sorted by name. */
export const production = (): ReadonlyArray<Package> => {
  const lock: Lock = JSON.parse(readFileSync(new URL("package-lock.json", root), "utf8"))
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== "" && entry.dev !== true && entry.devOptional !== true)
    .map(([path, { license = "unknown", version }]) => ({
      name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
      version,
      license
    }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
