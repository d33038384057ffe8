/** The main side of a hosted store: its contract, each member a message to the thread and back. */
import { Chunk, Effect, Exit, Option, Schema, type Scope, Stream } from "effect"
import { contained } from "../runtime/Contained.ts"
import { StoreError } from "../zone/RecordStore.ts"
import type { HostedStore, MemberKind } from "./HostedStore.ts"
import { OpenError } from "./OpenError.ts"
import type { Reply } from "./StoreProtocol.ts"
import type { Gone, Thread } from "./Thread.ts"

const closed = (gone: Gone) => new StoreError({ reason: "closed", message: gone.message })

/** Opens `store` on `thread`; see `StoreThread.open`. */
export const open = <I, S extends object, X>(
  thread: Thread,
  store: HostedStore<I, S, X>,
  path: string
): Effect.Effect<S, OpenError, Scope.Scope> =>
  Effect.acquireRelease(opened(thread, store, path), (number) =>
    Effect.ignore(thread.ask((id) => ({ _tag: "Close", id, store: number })))
  ).pipe(Effect.map((number) => callers(thread, store, number)))

/** Yields the number under which the thread knows the opened store. */
const opened = <I, S, X>(thread: Thread, { name }: HostedStore<I, S, X>, path: string) =>
  thread
    .ask((id) => ({ _tag: "Open", id, name, path }))
    .pipe(
      Effect.mapError(({ message }) => new OpenError({ reason: "other", path, message })),
      Effect.flatMap((reply): Effect.Effect<number, OpenError> => {
        if (reply._tag === "Done") return Effect.succeed(reply.id)
        return reply._tag === "NotOpened"
          ? Effect.fail(Schema.decodeSync(OpenError)(reply.error))
          : unexpected(reply)
      })
    )

const unexpected = (reply: Reply) =>
  Effect.dieMessage(reply._tag === "Died" ? reply.message : `unexpected reply ${reply._tag}`)

const callers = <I, S extends object, X>(
  thread: Thread,
  store: HostedStore<I, S, X>,
  number: number
): S => {
  const failed = (reply: Reply): Effect.Effect<never, StoreError | X> =>
    reply._tag === "Failed"
      ? Effect.flatMap(store.decodeError(reply.error), Effect.fail)
      : unexpected(reply)

  const ask = <A>(
    _tag: "Call" | "OpenCursor",
    member: string,
    args: ReadonlyArray<unknown>,
    done: (reply: Extract<Reply, { _tag: "Done" }>) => A
  ) =>
    Effect.clockWith((clock) => {
      const now = clock.unsafeCurrentTimeMillis()
      return Effect.matchEffect(
        thread.ask((id) => ({ _tag, id, store: number, member, args, now })),
        {
          onFailure: (gone) => Effect.fail(closed(gone)),
          onSuccess: (reply) =>
            reply._tag === "Done" ? Effect.succeed(done(reply)) : failed(reply)
        }
      )
    })

  const call = (member: string, args: ReadonlyArray<unknown>) =>
    ask("Call", member, args, (reply) => reply.value)

  const stream = (member: string, args: ReadonlyArray<unknown>) =>
    Effect.acquireRelease(
      ask("OpenCursor", member, args, (reply) => reply.id),
      (cursor) => Effect.ignore(thread.ask((id) => ({ _tag: "Release", id, cursor })))
    ).pipe(
      Effect.map((cursor) =>
        thread
          .ask((id) => ({ _tag: "Next", id, cursor }))
          .pipe(
            Effect.mapError((gone) => Option.some<StoreError | X>(closed(gone))),
            Effect.flatMap((reply) => {
              if (reply._tag === "Elements")
                return Effect.succeed(Chunk.fromIterable(reply.elements))
              return reply._tag === "End"
                ? Effect.fail(Option.none())
                : Effect.mapError(failed(reply), Option.some)
            })
          )
      ),
      Effect.map(Stream.repeatEffectChunkOption),
      Stream.unwrapScoped
    )

  const submit = (
    member: string,
    argument: unknown,
    told: (exit: Exit.Exit<unknown, StoreError | X>) => void
  ): void =>
    contained(
      () =>
        thread.tell(
          (id) => ({ _tag: "Submit", id, store: number, member, argument }),
          (answer) => {
            if (Exit.isFailure(answer)) return told(Exit.mapError(answer, closed))
            const reply = answer.value
            if (reply._tag === "Done") told(Exit.succeed(reply.value))
            else Effect.runCallback(failed(reply), { onExit: told })
          }
        ),
      // What cannot be sent.
      (defect) => told(Exit.die(defect))
    )

  const as = (member: string, kind: MemberKind): unknown => {
    switch (kind) {
      case "effect":
        return call(member, [])
      case "call":
        return (...args: ReadonlyArray<unknown>) => call(member, args)
      case "stream":
        return stream(member, [])
      case "streamCall":
        return (...args: ReadonlyArray<unknown>) => stream(member, args)
      case "submit":
        return (argument: unknown, told: Parameters<typeof submit>[2]) =>
          submit(member, argument, told)
    }
  }

  const members = Object.entries<MemberKind>(store.members)
  // The one place where the types end: `Members<S>` has proved names, kinds and errors, and
  // the other side is the same program.
  return Object.fromEntries(members.map(([member, kind]) => [member, as(member, kind)])) as S
}
