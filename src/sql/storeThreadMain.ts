/** What the store thread runs: every hosted store, behind the port it was started with. */
import { Effect } from "effect"
import { parentPort } from "node:worker_threads"
import { hostedStores } from "./hostedStores.ts"
import { serve } from "./StoreHost.ts"

if (parentPort !== null) Effect.runFork(serve(parentPort, hostedStores))
