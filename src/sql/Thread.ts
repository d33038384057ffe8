/**
 * A worker thread that answers numbered requests. Invariant: each request resumes its asker
 * once, with the reply or, once the thread is gone, with `Gone`.
 */
import { Data, Deferred, Effect, Exit, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import { Pending } from "./Pending.ts"
import type { Asked, Reply, Request } from "./StoreProtocol.ts"

/** The thread was not there to answer. */
export class Gone extends Data.TaggedError("Gone")<{ readonly message: string }> {}

type Answered = (reply: Exit.Exit<Reply, Gone>) => void

export interface Thread {
  /** Asks; `answered`, which must not throw, is told the reply once, later unless the thread is gone. */
  readonly tell: (make: (id: number) => Asked, answered: Answered) => void
  /** Asks and waits. An interrupted asker only stops waiting: the thread still does it. */
  readonly ask: (make: (id: number) => Asked) => Effect.Effect<Reply, Gone>
  /** Never succeeds; fails with what is known when the thread ends by itself. */
  readonly died: Effect.Effect<never, string>
}

// Run from source the modules end in .ts, from dist in .js; a string is not rewritten by tsc.
const storeThreadMain = new URL(
  import.meta.url.endsWith(".ts") ? "./storeThreadMain.ts" : "./storeThreadMain.js",
  import.meta.url
)

// Rows pass through the thread and are gone: a larger nursery would only be held, not used.
const resourceLimits = { maxYoungGenerationSizeMb: 3 }

/** How long the thread may take to finish, checkpoint and close before it is cut off, in ms. */
const stopBudget = 10_000

/** Starts a thread that runs `entry`; it is told to stop, and waited for, when the scope closes. */
export const start = (entry: URL = storeThreadMain): Effect.Effect<Thread, never, Scope.Scope> =>
  Effect.gen(function* () {
    const died = yield* Deferred.make<never, string>()
    const pending = new Pending<Exit.Exit<Reply, Gone>>()
    let gone: Gone | undefined
    let message = "the store thread ended"

    const worker = yield* Effect.acquireRelease(
      Effect.sync(() => new Worker(entry, { name: "store", resourceLimits })),
      (worker) =>
        Effect.async<void>((resume) => {
          if (gone !== undefined) return resume(Effect.void)
          gone = new Gone({ message: "the store is closed" })
          const cutOff = setTimeout(() => void worker.terminate(), stopBudget)
          worker.once("exit", () => {
            clearTimeout(cutOff)
            resume(Effect.void)
          })
          worker.postMessage({ _tag: "Stop" } satisfies Request)
        })
    )
    worker.on("message", (reply: Reply) => pending.take(reply.id)?.(Exit.succeed(reply)))
    worker.on("error", (error) => {
      message = `the store thread died: ${error instanceof Error ? error.message : String(error)}`
    })
    worker.on("exit", () => {
      const closing = gone !== undefined
      gone ??= new Gone({ message })
      const failure = Exit.fail(gone)
      for (const answered of pending.takeAll()) answered(failure)
      if (!closing) Deferred.unsafeDone(died, Effect.fail(message))
    })

    /** Yields under which number it waits, if it has to. */
    const send = (make: (id: number) => Asked, answered: Answered): number | undefined => {
      if (gone !== undefined) return void answered(Exit.fail(gone))
      const id = pending.next()
      // Throws where the message cannot be sent, and then nobody waits.
      worker.postMessage(make(id))
      pending.add(id, answered)
      return id
    }

    return {
      died: Deferred.await(died),
      tell: (make, answered) => void send(make, answered),
      ask: (make) =>
        Effect.async<Reply, Gone>((resume) => {
          const id = send(make, resume)
          return id === undefined ? undefined : Effect.sync(() => void pending.take(id))
        })
    }
  })
