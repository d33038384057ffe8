/**
 * The main side of one thread that answers over UDP: its start, what it is told, what it
 * says. Invariant: it is told to stop, and waited for, before its scope has closed.
 */
import { Deferred, Effect, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import type { FromWorker, Setup, ToWorker } from "./WorkerProtocol.ts"

// Run from source the modules end in .ts, from dist in .js; a string is not rewritten by tsc.
export const dnsThreadMain = new URL(
  import.meta.url.endsWith(".ts") ? "./dnsThreadMain.ts" : "./dnsThreadMain.js",
  import.meta.url
)

// Replies are gone as soon as they are sent: a larger nursery would only be held, not used.
const resourceLimits = { maxYoungGenerationSizeMb: 16 }

/** How long a thread may take to finish before it is cut off, in ms. */
const stopBudget = 3_000

/** What a thread's messages are given to; called synchronously. */
export interface Heard {
  readonly serving: () => void
  /** `done` is to be called once, when nothing more will be sent. */
  readonly message: (message: Extract<FromWorker, { _tag: "Message" }>, done: () => void) => void
  readonly tally: (tally: Extract<FromWorker, { _tag: "Tally" }>["tally"]) => void
}

export interface WorkerThread {
  /** Plain data, in order. */
  readonly tell: (message: ToWorker) => void
  /** Never succeeds; fails with the reason when the thread ends by itself. */
  readonly died: Effect.Effect<never, string>
  /** Cuts the thread off. */
  readonly kill: Effect.Effect<void>
  /** How often in a row this was asked without a word from the thread. */
  readonly silences: () => number
}

export interface Options {
  readonly entry: URL
  readonly name: string
  readonly setup: Setup
  readonly heard: Heard
}

/** Starts a thread; it is told to stop, and waited for, when the scope closes. */
export const start = (options: Options): Effect.Effect<WorkerThread, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { entry, heard, name, setup } = options
    const died = yield* Deferred.make<never, string>()
    let gone = false
    let closing = false
    let reason = "it ended"
    let silences = 0

    const worker = yield* Effect.acquireRelease(
      // It has no use for the environment, and so cannot give its secrets away.
      Effect.sync(() => new Worker(entry, { name, workerData: setup, resourceLimits, env: {} })),
      (worker) =>
        Effect.async<void>((resume) => {
          closing = true
          if (gone) return resume(Effect.void)
          const cutOff = setTimeout(() => void worker.terminate(), stopBudget)
          worker.once("exit", () => {
            clearTimeout(cutOff)
            resume(Effect.void)
          })
          worker.postMessage({ _tag: "Stop" } satisfies ToWorker)
        })
    )
    const tell = (message: ToWorker) => worker.postMessage(message)
    worker.on("message", (message: FromWorker) => {
      silences = 0
      switch (message._tag) {
        case "Serving":
          return heard.serving()
        case "Message":
          return heard.message(message, () => tell({ _tag: "Done" }))
        case "Tally":
          return heard.tally(message.tally)
        case "Failed":
          reason = message.message
      }
    })
    worker.on("error", (error) => {
      reason = error instanceof Error ? error.message : String(error)
    })
    worker.on("exit", () => {
      gone = true
      if (!closing) Deferred.unsafeDone(died, Effect.fail(reason))
    })
    return {
      tell,
      died: Deferred.await(died),
      kill: Effect.sync(() => {
        reason = "it was silent for too long"
        void worker.terminate()
      }),
      silences: () => silences++
    }
  })
