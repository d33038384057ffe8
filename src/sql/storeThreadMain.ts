/** What the store thread runs: every hosted store, behind the port it was started with. */
import { Effect } from "effect"
import { parentPort } from "node:worker_threads"
import { keepInPlaces } from "../runtime/RootFibers.ts"
import { standBack } from "../runtime/ThreadPriority.ts"
import { hostedStores } from "./hostedStores.ts"
import { serve } from "./StoreHost.ts"

keepInPlaces()
// Work is handed to it in groups: what it loses while it waits, the next group gains.
standBack("behind")
if (parentPort !== null) Effect.runFork(serve(parentPort, hostedStores))
