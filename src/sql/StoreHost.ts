/**
 * The thread's side of the store thread: opens hosted stores and runs what is asked of
 * them. Invariant: every request but `Stop` gets exactly one reply, and a store closes
 * only after every call it was given has ended.
 */
import { Cause, Chunk, Clock, Effect, Exit, Option, Runtime, Schema, Scope, Stream } from "effect"
import type { MessagePort } from "node:worker_threads"
import { contained } from "../runtime/Contained.ts"
import { collect } from "../runtime/Garbage.ts"
import { StoreError } from "../zone/RecordStore.ts"
import type { AnyHostedStore } from "./HostedStore.ts"
import { OpenError } from "./OpenError.ts"
import type { Asked, Call, OpenCursor, Reply, Request, Submit } from "./StoreProtocol.ts"

interface Opened {
  readonly hosted: AnyHostedStore
  readonly members: ReadonlyMap<string, unknown>
  readonly scope: Scope.CloseableScope
  readonly calls: Calls
}

/** The calls of one store that have not ended. */
class Calls {
  #pending = 0
  #onEmpty: (() => void) | undefined

  begin(): void {
    this.#pending++
  }
  end(): void {
    if (--this.#pending === 0) this.#onEmpty?.()
  }
  readonly ended = Effect.async<void>((resume) => {
    if (this.#pending === 0) resume(Effect.void)
    else this.#onEmpty = () => resume(Effect.void)
  })
}

interface Cursor {
  readonly hosted: AnyHostedStore
  readonly pull: Effect.Effect<Chunk.Chunk<unknown>, Option.Option<unknown>>
  readonly scope: Scope.CloseableScope
}

/** The caller's time, so that both sides of the thread agree what is live. */
const clockAt = (live: Clock.Clock, now: number): Clock.Clock => {
  const nanos = BigInt(now) * 1_000_000n
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => nanos,
    currentTimeMillis: Effect.succeed(now),
    currentTimeNanos: Effect.succeed(nanos),
    sleep: (duration) => live.sleep(duration)
  }
}

const isEffect = (u: unknown): u is Effect.Effect<unknown, unknown> => Effect.isEffect(u)
const isStream = (u: unknown): u is Stream.Stream<unknown, unknown> =>
  typeof u === "object" && u !== null && Stream.StreamTypeId in u

/** What a member gives when asked with these arguments: an effect or a stream. */
const ask = ({ members }: Opened, request: Call | OpenCursor): unknown => {
  const member = members.get(request.member)
  return typeof member === "function" ? member(...request.args) : member
}

const doneWith = (id: number, value: unknown): Reply => ({ _tag: "Done", id, value })

/** Serves `port` until it is told to stop; never fails. */
export const serve = (port: MessagePort, stores: ReadonlyArray<AnyHostedStore>) =>
  Effect.gen(function* () {
    const live = yield* Effect.clock
    const opened = new Map<number, Opened>()
    const cursors = new Map<number, Cursor>()
    const reply = (message: Reply) => Effect.sync(() => port.postMessage(message))
    const done = (id: number, value?: unknown) => reply(doneWith(id, value))

    const run = Runtime.runFork(yield* Effect.runtime())
    /** Begins at once, and a call that waits for nothing is answered before the next message. */
    const start = (id: number, work: Effect.Effect<unknown>): void =>
      void run(
        Effect.catchAllCause(work, (cause) =>
          reply({ _tag: "Died", id, message: Cause.pretty(cause) })
        )
      )

    const open = (id: number, name: string, path: string) =>
      Effect.gen(function* () {
        const hosted = stores.find((store) => store.name === name)
        if (hosted === undefined) return yield* Effect.dieMessage(`no store is called ${name}`)
        const scope = yield* Scope.make()
        yield* Effect.gen(function* () {
          const members = yield* hosted.open(path)
          const calls = new Calls()
          // Added last, so it runs first: what was asked is done before the file closes.
          yield* Effect.addFinalizer(() => calls.ended)
          opened.set(id, { hosted, members, scope, calls })
        }).pipe(
          Scope.extend(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        yield* done(id)
      }).pipe(
        Effect.catchAll((error) =>
          reply({ _tag: "NotOpened", id, error: Schema.encodeSync(OpenError)(error) })
        )
      )

    const close = (number: number) =>
      Effect.suspend(() => {
        const store = opened.get(number)
        opened.delete(number)
        return store === undefined ? Effect.void : Scope.close(store.scope, Exit.void)
      })

    const closed = (id: number) => {
      const error = new StoreError({ reason: "closed", message: "the store is closed" })
      return reply({ _tag: "Failed", id, error: Schema.encodeSync(StoreError)(error) })
    }

    const inStore = <A>(
      request: Call | OpenCursor,
      use: (store: Opened) => Effect.Effect<A>
    ): Effect.Effect<unknown> =>
      Effect.suspend(() => {
        const store = opened.get(request.store)
        return store === undefined ? closed(request.id) : use(store)
      })

    const failed = (id: number, hosted: AnyHostedStore) => (error: unknown) =>
      Effect.flatMap(hosted.encodeError(error), (plain) =>
        reply({ _tag: "Failed", id, error: plain })
      )

    const call = (request: Call) =>
      inStore(request, (store) => {
        const asked = ask(store, request)
        if (!isEffect(asked)) return Effect.dieMessage(`${request.member} is no effect`)
        store.calls.begin()
        return asked.pipe(
          Effect.withClock(clockAt(live, request.now)),
          Effect.matchEffect({
            onSuccess: (value) => done(request.id, value),
            onFailure: failed(request.id, store.hosted)
          }),
          Effect.ensuring(Effect.sync(() => store.calls.end()))
        )
      })

    /** Plain code may be answered at once; what goes wrong in it must not end the thread. */
    const submit = ({ argument, id, member: name, store: number }: Submit): void => {
      const store = opened.get(number)
      if (store === undefined) return start(id, closed(id))
      const { calls, hosted, members } = store
      const died = (defect: unknown): void => start(id, Effect.die(defect))
      const told = (exit: Exit.Exit<unknown, unknown>): void => {
        calls.end()
        if (Exit.isFailure(exit)) start(id, Effect.catchAll(exit, failed(id, hosted)))
        else contained(() => port.postMessage(doneWith(id, exit.value)), died)
      }
      const member = members.get(name)
      if (typeof member !== "function") return died(`${name} is no function`)
      calls.begin()
      contained(
        () => member(argument, told),
        (defect) => told(Exit.die(defect))
      )
    }

    const openCursor = (request: OpenCursor) =>
      inStore(request, (store) =>
        Effect.gen(function* () {
          const asked = ask(store, request)
          if (!isStream(asked)) return yield* Effect.dieMessage(`${request.member} is no stream`)
          // Below the store's scope: a cursor nobody released ends before the file closes.
          const scope = yield* Scope.fork(store.scope, store.scope.strategy)
          yield* Scope.addFinalizer(
            scope,
            Effect.sync(() => cursors.delete(request.id))
          )
          const pull = yield* Stream.toPull(asked).pipe(Scope.extend(scope))
          const timed = Effect.withClock(pull, clockAt(live, request.now))
          cursors.set(request.id, { hosted: store.hosted, pull: timed, scope })
          yield* done(request.id)
        })
      )

    const next = (id: number, number: number) =>
      Effect.suspend(() => {
        const cursor = cursors.get(number)
        if (cursor === undefined) return closed(id)
        return Effect.matchEffect(cursor.pull, {
          onSuccess: (chunk) =>
            reply({ _tag: "Elements", id, elements: Chunk.toReadonlyArray(chunk) }),
          onFailure: Option.match({
            onNone: () => reply({ _tag: "End", id }),
            onSome: failed(id, cursor.hosted)
          })
        })
      })

    const release = (number: number) =>
      Effect.suspend(() => {
        const cursor = cursors.get(number)
        return cursor === undefined ? Effect.void : Scope.close(cursor.scope, Exit.void)
      })

    const handle = (request: Exclude<Asked, Submit>): Effect.Effect<unknown> => {
      switch (request._tag) {
        case "Call":
          return call(request)
        case "OpenCursor":
          return openCursor(request)
        case "Next":
          return next(request.id, request.cursor)
        case "Release":
          return Effect.zipRight(release(request.cursor), done(request.id))
        case "Open":
          return open(request.id, request.name, request.path)
        case "Close":
          return Effect.zipRight(close(request.store), done(request.id))
        case "Tidy":
          return Effect.zipRight(collect, done(request.id))
      }
    }

    yield* Effect.async<void>((resume) => {
      port.on("message", (request: Request) => {
        if (request._tag === "Stop") return resume(Effect.void)
        if (request._tag === "Submit") submit(request)
        else start(request.id, handle(request))
      })
    })
    yield* Effect.forEach([...opened.keys()].reverse(), close, { discard: true })
    port.close()
  }).pipe(Effect.withTracerEnabled(false))
