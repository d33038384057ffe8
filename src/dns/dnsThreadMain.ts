/** What each thread runs that answers over UDP beside the main one. */
import { Effect } from "effect"
import { parentPort, workerData } from "node:worker_threads"
import { serve } from "./DnsThread.ts"

if (parentPort !== null) Effect.runFork(serve(parentPort, workerData))
