/** What bench/RESULTS.md says first: the machine, the programs, the commit. */
import { execFileSync } from "node:child_process"
import { describeMachine, isInstalled, versionOf } from "./lib/Machine.ts"
import { bind, knot, nsd } from "./lib/Rivals.ts"
import { powerdns } from "./lib/UpdateRivals.ts"

const commit = execFileSync("git", ["log", "-1", "--format=%h of %cs"], { encoding: "utf8" })
const peers = [nsd, knot, bind, powerdns].map(({ name, program = name, versionFlag = "-V" }) =>
  isInstalled(program) ? versionOf(program, versionFlag) : `${name}: not installed`
)
console.log(
  [
    "# Results",
    "",
    ...[describeMachine(), `commit ${commit.trim()}`, ...peers].map((it) => `- ${it}`)
  ]
    .concat(
      "",
      "Each section is what one command of `bench/` printed; `bench/README.md` says how to read it."
    )
    .join("\n")
)
