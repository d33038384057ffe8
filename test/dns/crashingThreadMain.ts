/** A thread that serves like any other and breaks after half a second of it. */
import { parentPort, workerData } from "node:worker_threads"
import { Effect } from "effect"
import { serve } from "../../src/dns/DnsThread.ts"

if (parentPort !== null) {
  Effect.runFork(serve(parentPort, workerData))
  const watched = setInterval(() => {
    if (process.getActiveResourcesInfo().includes("UDPWrap")) {
      clearInterval(watched)
      setTimeout(() => {
        throw new Error("broken on purpose")
      }, 500)
    }
  }, 20)
}
