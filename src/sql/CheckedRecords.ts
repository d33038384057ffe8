/**
 * The records of a file that may have been opened unchecked. Invariant: nothing is written before
 * the file was looked through from end to end, and nothing at all if it is damaged; reading goes
 * on meanwhile, so that a large file holds up no answer.
 */
import { Context, Deferred, Duration, Effect, Layer, Runtime, type Scope } from "effect"
import { RecordStore, StoreError } from "../zone/RecordStore.ts"
import * as CheckProcess from "./CheckProcess.ts"
import { OpenError } from "./OpenError.ts"
import { RecordRows } from "./RecordRows.ts"

/** How long a writer waits for the check before it is told to come back. */
const writePatience = "5 seconds"
/** How long whoever asks for readiness waits: a small file is soon read. */
const probePatience = "500 millis"

export class StoreCheck extends Context.Tag("dnsmesh/sql/StoreCheck")<
  StoreCheck,
  {
    /** Begins to look through the file, if nobody has, and waits for the end of it. */
    readonly done: Effect.Effect<void, OpenError>
  }
>() {}

const asOpenError =
  (path: string) =>
  (error: StoreError | OpenError): OpenError =>
    error._tag === "OpenError"
      ? error
      : new OpenError({
          reason: error.reason === "corrupt" ? "corrupt" : "other",
          path,
          message: `${path} cannot be opened: ${error.message}`
        })

const checking = new StoreError({
  reason: "checking",
  message: "the database is still being looked through"
})

/** Looks through the file and brings it to where rows can be written. */
const checked = (rows: RecordRows["Type"], path: string, look: typeof CheckProcess.check) =>
  look(path).pipe(
    Effect.catchTag("NotChecked", ({ message }) =>
      Effect.zipRight(
        Effect.logWarning(
          `${path} is looked through on the store thread, which holds up all that needs it, ` +
            `because a process could not do it: ${message}`
        ),
        rows.check
      )
    ),
    Effect.zipRight(rows.settle),
    Effect.mapError(asOpenError(path)),
    Effect.timed,
    Effect.matchEffect({
      onSuccess: ([duration]) =>
        Effect.logInfo(`${path} is sound (${Duration.format(duration)} to look through it)`),
      onFailure: (error) =>
        Effect.zipRight(Effect.logError(`the node stops: ${error.message}`), Effect.fail(error))
    }),
    Effect.annotateLogs({ logger: "dmp.server.node" })
  )

export const make = (
  rows: RecordRows["Type"],
  look: typeof CheckProcess.check = CheckProcess.check
): Effect.Effect<Context.Context<RecordStore | StoreCheck>, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* RecordRows.packing(rows)
    const path = yield* Effect.mapError(rows.unchecked, asOpenError(""))
    if (path === undefined)
      return Context.make(RecordStore, store).pipe(Context.add(StoreCheck, { done: Effect.void }))

    const scope = yield* Effect.scope
    const outcome = yield* Deferred.make<void, OpenError>()
    let begun = false
    let sound = false
    const begin = Effect.suspend(() => {
      if (begun) return Effect.void
      begun = true
      return checked(rows, path, look).pipe(
        Effect.tap(() => Effect.sync(() => (sound = true))),
        Effect.intoDeferred(outcome),
        Effect.forkIn(scope)
      )
    })
    const done = Effect.zipRight(begin, Deferred.await(outcome))
    const allowed = (outcome: Effect.Effect<void, OpenError>) =>
      Effect.mapError(outcome, ({ message }) => new StoreError({ reason: "corrupt", message }))
    const after = <A>(
      gate: Effect.Effect<void, StoreError>,
      write: Effect.Effect<A, StoreError>
    ): Effect.Effect<A, StoreError> =>
      Effect.suspend(() => (sound ? write : Effect.zipRight(gate, write)))
    const within = (duration: Duration.DurationInput) =>
      Effect.timeoutFail(allowed(done), { duration, onTimeout: () => checking })

    const commit: (typeof store)["commit"] = (changes) =>
      after(within(writePatience), store.commit(changes))
    const runCallback = Runtime.runCallback(yield* Effect.runtime())
    return Context.make(
      RecordStore,
      RecordStore.of({
        ...store,
        commit,
        submit: (changes, told) => {
          if (sound && store.submit !== undefined) store.submit(changes, told)
          else runCallback(commit(changes), { onExit: told })
        },
        probe: after(within(probePatience), store.probe),
        sweep: (now, limit) => after(allowed(done), store.sweep(now, limit)),
        restamp: (to, limit) => after(allowed(done), store.restamp(to, limit)),
        // Asked for as soon as the zone is filled, when the first answer has yet to be given.
        markSerial: (serial) => after(allowed(Deferred.await(outcome)), store.markSerial(serial))
      })
    ).pipe(Context.add(StoreCheck, { done }))
  })

export const layer: Layer.Layer<RecordStore | StoreCheck, OpenError, RecordRows> =
  Layer.scopedContext(Effect.flatMap(RecordRows, (rows) => make(rows)))
