// Stock NSD, Knot and BIND as secondaries of the built node for an hour, while records come and
// go and either side is restarted at random: `node test/conformance/soak.mjs [minutes=60]
// [records=20000] [rate=5] [restarts=45] [seed=1]`. Prints a Markdown summary; ends with 1 when a
// record is missing or one too many anywhere.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { ensureDebianPackages } from "../../ops/dev/debian.mjs"
import { ensureBuilt, ensureInstalled, nodeExecutable, root } from "../../ops/dev/tree.mjs"

ensureInstalled()
ensureDebianPackages()
ensureBuilt()
const node = nodeExecutable()
const { status } = spawnSync(
  node,
  [join(root, "test/conformance/Soak.ts"), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}:/usr/sbin:/sbin` }
  }
)
process.exitCode = status ?? 1
