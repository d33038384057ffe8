/**
 * The only write path into the zone. HTTP publish, DNS UPDATE, heartbeat and
 * anti-entropy all end here, so a rule checked here holds for every one of them.
 * Requests that arrive while a commit runs are decided together and share the next one.
 */
import { Context, Effect, Exit, Layer, Metric, MetricBoundaries, Runtime } from "effect"
import { AnswerIndex } from "./AnswerIndex.ts"
import { ChangeFeed } from "./ChangeFeed.ts"
import { ContentPolicy } from "./ContentPolicy.ts"
import { Draft } from "./Decide.ts"
import { Limits } from "./Limits.ts"
import { Shares } from "./Shares.ts"
import { RecordStore, type RowChange, StoreError } from "./RecordStore.ts"
import type { Applied, PublishError, WriteRequest } from "./WriteRequest.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Requests decided in one transaction at most. */
const groupSize = 1024
/** Writers answered in one turn of the event loop: an answer takes some 50 µs, and queries wait. */
const answersPerTurn = 16

const commitSeconds = Metric.histogram(
  "dmp_store_commit_seconds",
  MetricBoundaries.fromIterable([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]),
  "Time one commit of the record store took, in seconds"
)
const commitRequests = Metric.histogram(
  "dmp_store_commit_requests",
  MetricBoundaries.fromIterable([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]),
  "Write requests that shared one commit"
)

type Resume = (exit: Exit.Exit<Applied, PublishError>) => void

/** A request on its way, whose writer is told once. */
class Waiting {
  readonly request: WriteRequest
  #resume: Resume | undefined

  constructor(request: WriteRequest, resume: Resume) {
    this.request = request
    this.#resume = resume
  }

  tell(exit: Exit.Exit<Applied, PublishError>): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(exit)
  }
}

export class Publisher extends Context.Tag("dnsmesh/zone/Publisher")<
  Publisher,
  {
    /**
     * Applies all changes of one request, or none; `resume`, which must not throw, is told once,
     * later. When it succeeds they are durable and answered.
     */
    readonly submit: (request: WriteRequest, resume: Resume) => void
    /** `submit`, and waits. */
    readonly apply: (request: WriteRequest) => Effect.Effect<Applied, PublishError>
    /** As `apply` of each, one after the other, with one commit for as many as a group takes. */
    readonly applyEach: (
      requests: ReadonlyArray<WriteRequest>
    ) => Effect.Effect<ReadonlyArray<Exit.Exit<Applied, PublishError>>>
  }
>() {
  static readonly layer = Layer.scoped(
    Publisher,
    Effect.gen(function* () {
      const zone = yield* AnswerIndex
      const feed = yield* ChangeFeed
      const limits = yield* Limits
      const policy = yield* ContentPolicy
      const store = yield* RecordStore
      const clock = yield* Effect.clock
      const shares = new Shares()
      const forget = (changes: ReadonlyArray<RowChange>): void => {
        for (const change of changes)
          if (change._tag === "Remove") shares.remove(change.owner, change.value)
      }
      yield* feed.subscribe(({ changes }) => forget(changes))
      const forgetUnheld = (rows: ReadonlyArray<RowChange>, now: number): void => {
        for (const row of rows) {
          if (row._tag === "Remove") continue
          const { owner, value } = row.row
          const held = zone.live(owner, now).some((txt) => txt.value === value)
          if (!held) shares.remove(owner, value)
        }
      }
      const runFork = Runtime.runFork(yield* Effect.runtime())
      let waiting: Array<Waiting> = []
      /** Set while a group is being committed, or is about to gather. */
      let busy = false
      let onIdle: (() => void) | undefined
      let open = true

      const submit = (request: WriteRequest, resume: Resume): void => {
        if (!open) return resume(closed)
        waiting.push(new Waiting(request, resume))
        if (!busy) gather()
      }

      const apply = (request: WriteRequest): Effect.Effect<Applied, PublishError> =>
        Effect.async((resume) => submit(request, resume))

      const applyEach = (requests: ReadonlyArray<WriteRequest>) =>
        Effect.async<ReadonlyArray<Exit.Exit<Applied, PublishError>>>((resume) => {
          const exits: Array<Exit.Exit<Applied, PublishError>> = requests.map(() => closed)
          let due = requests.length
          if (due === 0) return resume(Effect.succeed(exits))
          for (const [at, request] of requests.entries())
            submit(request, (exit) => {
              exits[at] = exit
              if (--due === 0) resume(Effect.succeed(exits))
            })
        })

      // A macrotask: every socket that is readable delivers its request before the group closes.
      const gather = (): void => {
        busy = true
        setImmediate(() => runFork(commitGroup))
      }

      const answers: Array<() => void> = []
      const answerSome = (): void => {
        for (const answer of answers.splice(0, answersPerTurn)) answer()
        if (answers.length > 0) setImmediate(answerSome)
        else if (!busy) onIdle?.()
      }
      const answerAll = (more: ReadonlyArray<() => void>): void => {
        const underWay = answers.length > 0
        answers.push(...more)
        if (!underWay) answerSome()
      }

      const decide = (group: ReadonlyArray<Waiting>, now: number): Decided => {
        const draft = new Draft(zone, now, shares)
        const rows: Array<RowChange> = []
        const admitted: Array<Admitted> = []
        for (const entry of group) {
          const decision = draft.decide(entry.request, { limits, policy })
          if (decision._tag === "Left") entry.tell(Exit.fail(decision.left))
          else {
            rows.push(...decision.right.rows)
            admitted.push({ entry, applied: decision.right.applied })
          }
        }
        return { rows, admitted }
      }

      const tell = (rows: ReadonlyArray<RowChange>, requests: number): Effect.Effect<void> => {
        const content = zone.apply(rows)
        commitRequests.unsafeUpdate(requests, [])
        feed.unsafeEmit({ cause: "write", changes: rows, content })
        return feed.settled
      }

      const commit = (group: ReadonlyArray<Waiting>): Effect.Effect<void> => {
        const now = UnixTime.unsafeNow(clock)
        const { admitted, rows } = decide(group, now)
        const answer = (committed: Exit.Exit<void, StoreError>): void =>
          answerAll(
            admitted.map(
              ({ applied, entry }) =>
                () =>
                  entry.tell(Exit.as(committed, applied))
            )
          )
        if (rows.length === 0) return Effect.sync(() => answer(Exit.void))
        const began = clock.unsafeCurrentTimeNanos()
        return Effect.matchCauseEffect(store.commit(rows), {
          onFailure: (cause) =>
            Effect.sync(() => {
              forgetUnheld(rows, now)
              answer(Exit.failCause(cause))
            }),
          onSuccess: () => {
            commitSeconds.unsafeUpdate(Number(clock.unsafeCurrentTimeNanos() - began) / 1e9, [])
            return Effect.map(tell(rows, admitted.length), () => answer(Exit.void))
          }
        })
      }

      // A defect answers the group it met, and the next group is served all the same.
      const commitGroup = Effect.suspend(() => {
        const group = waiting.slice(0, groupSize)
        waiting = waiting.slice(groupSize)
        return Effect.catchAllCause(
          Effect.suspend(() => commit(group)),
          (cause) => {
            for (const entry of group) entry.tell(Exit.failCause(cause))
            return Effect.logError("a group of writes met a defect", cause)
          }
        )
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            busy = false
            if (waiting.length > 0) gather()
            else if (answers.length === 0) onIdle?.()
          })
        ),
        Effect.uninterruptible
      )

      // What waits is still committed.
      yield* Effect.addFinalizer(() =>
        Effect.async<void>((resume) => {
          open = false
          if (!busy && answers.length === 0) return resume(Effect.void)
          onIdle = () => resume(Effect.void)
        })
      )
      return Publisher.of({ submit, apply, applyEach })
    })
  )
}

interface Admitted {
  readonly entry: Waiting
  readonly applied: Applied
}

interface Decided {
  readonly rows: ReadonlyArray<RowChange>
  readonly admitted: ReadonlyArray<Admitted>
}

const closed = Exit.fail(new StoreError({ reason: "closed", message: "the node is stopping" }))
