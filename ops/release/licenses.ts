/**
 * The licences of what a node is made of, as a table: `node ops/release/licenses.ts`. Ends with
 * exit code 1 when one is not among those we may ship under their own terms.
 */
import { pathToFileURL } from "node:url"
import { type Package, production } from "./Lock.ts"

/** Permissive licences: a notice is all they ask for. */
export const allowed: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT"
])

/** Whether an SPDX expression can be met by allowed licences alone. */
export const isAllowed = (expression: string): boolean =>
  expression
    .replace(/[()]/g, " ")
    .split(/\s+OR\s+/)
    .some((choice) => choice.split(/\s+AND\s+/).every((license) => allowed.has(license.trim())))

export const table = (packages: ReadonlyArray<Package>): string =>
  [
    "| Package | Version | Licence |",
    "| --- | --- | --- |",
    ...packages.map(({ license, name, version }) => `| ${name} | ${version} | ${license} |`),
    ""
  ].join("\n")

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const packages = production()
  process.stdout.write(table(packages))
  const refused = packages.filter(({ license }) => !isAllowed(license))
  for (const { license, name } of refused)
    process.stderr.write(`licence not allowed: ${name} (${license})\n`)
  process.exitCode = refused.length === 0 ? 0 : 1
}
