// `npm run check` and `npm test`: format, lint, types, build, tests, in this order, every step run even
// when an earlier one failed, so that one run shows everything. Exit code 1 if any failed.
//   --coverage   report test coverage
//   --packages   install the Debian packages the tests use
//   further arguments go to vitest (paths to run, -t …)
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { ensureDebianPackages } from "./debian.mjs"
import { ensureLitestream } from "./litestream.mjs"
import {
  ensureBuilt,
  ensureInstalled,
  nodeExecutable,
  orExplain,
  root,
  say,
  Unprepared
} from "./tree.mjs"

const given = process.argv.slice(2)
const own = new Set(["--coverage", "--packages"])
const forVitest = given.filter((argument) => !own.has(argument))

const bin = (path) => join(root, "node_modules", path)

/** Runs a package's script under the pinned Node, which child processes find first as well. */
const run = (script, ...args) => {
  const node = nodeExecutable()
  const { status } = spawnSync(node, [bin(script), ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PATH: [dirname(node), bin(".bin"), process.env.PATH, "/usr/sbin", "/sbin"].join(delimiter)
    }
  })
  return status === 0
}

/** TypeScript gains Effect's own diagnostics by a patch; a no-op when it is already there. */
const patchTypeScript = () => {
  const cli = "@effect/language-service/cli.js"
  const { status, stderr, stdout } = spawnSync(nodeExecutable(), [bin(cli), "patch"], {
    cwd: root,
    encoding: "utf8"
  })
  if (status !== 0) say(`cannot patch typescript:\n${stdout}${stderr}`)
  return status === 0
}

const vitest = () => {
  const folder = mkdtempSync(join(tmpdir(), "dnsmesh-tests-"))
  const report = join(folder, "report.json")
  const coverage = given.includes("--coverage") ? ["--coverage"] : []
  const passed = run(
    "vitest/vitest.mjs",
    ...["run", "--config", "test/vitest.config.ts"],
    ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    ...coverage,
    ...forVitest
  )
  try {
    const counts = JSON.parse(readFileSync(report, "utf8"))
    const skipped = counts.numPendingTests + (counts.numTodoTests ?? 0)
    summary = `${counts.numPassedTests} passed, ${counts.numFailedTests} failed, ${skipped} skipped`
  } catch {
    summary = "the test run ended without a report"
  }
  rmSync(folder, { recursive: true, force: true })
  return passed
}

let summary = ""
const steps = {
  format: () => run("prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."),
  lint: () =>
    run(
      "oxlint/bin/oxlint",
      "-c",
      ".oxlintrc.json",
      "--deny-warnings",
      "src",
      "test",
      "bench",
      "ops"
    ),
  types: () => patchTypeScript() && run("typescript/bin/tsc", "--noEmit"),
  build: () => {
    try {
      ensureBuilt()
      return true
    } catch (error) {
      if (!(error instanceof Unprepared)) throw error
      say(error.message)
      return false
    }
  },
  // those that run the built node fail by themselves when there is none
  tests: vitest
}

orExplain(ensureInstalled)
if (given.includes("--packages")) {
  ensureDebianPackages()
  ensureLitestream()
}
const failed = Object.entries(steps)
  .filter(([name, step]) => {
    say(`${name} …`)
    return !step()
  })
  .map(([name]) => name)
if (failed.length > 0) say(`FAILED: ${failed.join(", ")}`)
process.stdout.write(`${summary}\n`)
process.exitCode = failed.length === 0 ? 0 : 1
