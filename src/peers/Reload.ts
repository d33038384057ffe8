/**
 * What can be read again while the node runs. Parts register what they would read; SIGHUP
 * reads all of it, a changed file only what depends on it. Each says what it found, and a
 * failed reading changes nothing.
 */
import { Context, Effect, Layer, Option, Queue, Schedule, type Scope } from "effect"
import { stat } from "node:fs/promises"

interface Registered {
  readonly name: string
  readonly reload: Effect.Effect<string>
}

export class Reload extends Context.Tag("dnsmesh/peers/Reload")<
  Reload,
  {
    /**
     * Runs `reload` at every signal, and when a file at one of `paths` changes, until the scope
     * closes. It yields what it found, for the log.
     */
    readonly register: (
      name: string,
      reload: Effect.Effect<string>,
      ...paths: ReadonlyArray<string>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Reads everything again, in order of registration. */
    readonly all: Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.scoped(
    Reload,
    Effect.gen(function* () {
      const registered = new Set<Registered>()
      const turn = yield* Effect.makeSemaphore(1)
      const run = ({ name, reload }: Registered) =>
        reload.pipe(
          Effect.flatMap((found) => Effect.logInfo(`read ${name} again: ${found}`)),
          Effect.catchAllCause((cause) =>
            Effect.logError(`${name} could not be read again`, cause)
          ),
          // A signal and a changed file may come together.
          turn.withPermits(1)
        )
      return Reload.of({
        register: (name, reload, ...paths) =>
          Effect.gen(function* () {
            const entry = { name, reload }
            yield* Effect.acquireRelease(
              Effect.sync(() => registered.add(entry)),
              () => Effect.sync(() => registered.delete(entry))
            )
            for (const path of paths) yield* watch(path, run(entry))
          }),
        all: Effect.suspend(() => Effect.forEach([...registered], run, { discard: true }))
      })
    })
  )

  /** Reads everything again at SIGHUP, which would otherwise end the process. */
  static readonly layerSignal = Layer.scopedDiscard(
    Effect.gen(function* () {
      const reload = yield* Reload
      const asked = yield* Queue.sliding<void>(1)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const ask = () => void asked.unsafeOffer(undefined)
          process.on("SIGHUP", ask)
          return ask
        }),
        (ask) => Effect.sync(() => process.off("SIGHUP", ask))
      )
      yield* Queue.take(asked).pipe(
        Effect.zipRight(Effect.logInfo("SIGHUP: reading again what may change")),
        Effect.zipRight(reload.all),
        Effect.forever,
        Effect.forkScoped
      )
    })
  )
}

/** Time and size of a file; asked for again and again, since mounted files send no events. */
const stamp = (path: string) =>
  Effect.tryPromise(() => stat(path)).pipe(
    Effect.map(({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`),
    Effect.option,
    Effect.map(Option.getOrElse(() => "missing"))
  )

const watch = (path: string, changed: Effect.Effect<void>) =>
  Effect.gen(function* () {
    let last = yield* stamp(path)
    yield* Effect.gen(function* () {
      const now = yield* stamp(path)
      if (now === last) return
      last = now
      if (now !== "missing") yield* changed
    }).pipe(Effect.delay("5 seconds"), Effect.repeat(Schedule.forever), Effect.forkScoped)
  })
