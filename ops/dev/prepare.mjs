// Prepares the checkout and prints the path of the Node that runs it, for the launchers.
import { ensureBuilt, ensureInstalled, nodeExecutable, orExplain } from "./tree.mjs"

orExplain(() => {
  ensureInstalled()
  ensureBuilt()
  process.stdout.write(`${nodeExecutable()}\n`)
})
