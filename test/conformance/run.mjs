// Everything other people's tools can say about the DNS side, and the long form of the hostile
// tests: `node test/conformance/run.mjs`. Installs what is missing where it may (root, apt).
// Further arguments go to vitest.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { ensureDebianPackages } from "../../ops/dev/debian.mjs"
import { ensureInstalled, nodeExecutable, root } from "../../ops/dev/tree.mjs"

ensureInstalled()
ensureDebianPackages()
const node = nodeExecutable()
const { status } = spawnSync(
  node,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    ...["run", "--config", "test/vitest.config.ts", "--silent=false"],
    ...["test/conformance", "test/dns/Hostile.test.ts", "test/dns/Transfer.test.ts"],
    ...process.argv.slice(2)
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      DNSMESH_DIFFERENTIAL: "500000",
      DNSMESH_FUZZ: "1000000",
      DNSMESH_IDLE: "10000",
      ...process.env,
      PATH: `${dirname(node)}:${process.env.PATH}:/usr/sbin:/sbin`
    }
  }
)
process.exitCode = status ?? 1
