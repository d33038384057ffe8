/** What the backup thread runs: one order, behind whatever else wants the processor. */
import { Effect, Schema } from "effect"
import { parentPort, workerData } from "node:worker_threads"
import { standBack } from "../runtime/ThreadPriority.ts"
import { toFile } from "./Backup.ts"
import { type Order, Outcome } from "./BackupThread.ts"

standBack("last")

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
