/** What the backup thread runs: one order, behind whatever else wants the processor. */
import { Effect, Schema } from "effect"
import { setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import { toFile } from "./Backup.ts"
import { type Order, Outcome } from "./BackupThread.ts"

// On Linux a priority belongs to a thread; elsewhere this would slow down the node.
if (process.platform === "linux") setPriority(10)

const order: Order = workerData
const say = (outcome: typeof Outcome.Type) =>
  Effect.flatMap(Effect.orDie(Schema.encode(Outcome)(outcome)), (plain) =>
    Effect.sync(() => parentPort?.postMessage(plain))
  )

Effect.runFork(
  Effect.matchEffect(toFile(order.contents, order.file), {
    onSuccess: ({ bytes }) => say({ _tag: "Made", bytes }),
    onFailure: say
  })
)
