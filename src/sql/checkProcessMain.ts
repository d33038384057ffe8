/**
 * What the checking process runs: it reads a database file from end to end, behind whatever else
 * wants the processor, and says what it found. Invariant: it writes nothing, and needs nothing but
 * the driver, so that it is at work at once.
 */
import { createRequire } from "node:module"
import { setPriority } from "node:os"
import type { Finding } from "./CheckProcess.ts"

/** The part of the driver that is used here. */
type Driver = new (
  path: string,
  options: { readonly readonly: true; readonly fileMustExist: true }
) => { readonly pragma: (text: string, options: { readonly simple: true }) => unknown }

const Database: Driver = createRequire(import.meta.url)("better-sqlite3")
const path = process.argv[2] ?? ""

const look = new Promise<unknown>((resolve) => {
  setPriority(10)
  const database = new Database(path, { readonly: true, fileMustExist: true })
  resolve(database.pragma("quick_check(1)", { simple: true }))
})

const say = (finding: Finding) => void process.stdout.write(JSON.stringify(finding))

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : ""

void look.then(
  (found) => say({ _tag: "Read", verdict: String(found) }),
  (error: unknown) =>
    say({
      _tag: "Unread",
      code: codeOf(error),
      message: error instanceof Error ? error.message : String(error)
    })
)
