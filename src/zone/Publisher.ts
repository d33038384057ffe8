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
import { contained } from "../runtime/Contained.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { type Resume, Waiting, WriterAnswers } from "./WriterAnswers.ts"

/** Requests decided in one transaction at most. */
const groupSize = 1024
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
      const run = Runtime.runCallback(yield* Effect.runtime())
      const put: NonNullable<typeof store.submit> =
        store.submit ?? ((rows, told) => void run(store.commit(rows), { onExit: told }))
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
        setImmediate(commitGroup)
      }

      const answers = new WriterAnswers(
        () => {
          if (!busy) onIdle?.()
        },
        (defect) => void run(Effect.logError("a writer met a defect when it was answered", defect))
      )

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

      /** Answers who was let in, and lets the next group begin. */
      const conclude = (admitted: ReadonlyArray<Admitted>, ended: Exit.Exit<void, StoreError>) => {
        answers.give(
          admitted.map(({ applied, entry }) => ({ entry, exit: Exit.as(ended, applied) }))
        )
        next()
      }

      const next = (): void => {
        busy = false
        if (waiting.length > 0) gather()
        else if (answers.isEmpty) onIdle?.()
      }

      // A defect answers the group it met, and the next group is served all the same.
      const attempt = (group: ReadonlyArray<Waiting>, step: () => void): void =>
        contained(step, (defect) => {
          const died = Exit.die(defect)
          for (const entry of group) entry.tell(died)
          run(Effect.logError("a group of writes met a defect", defect))
          next()
        })

      const commitGroup = (): void => {
        const group = waiting.slice(0, groupSize)
        waiting = waiting.slice(groupSize)
        attempt(group, () => {
          const now = UnixTime.unsafeNow(clock)
          const { admitted, rows } = decide(group, now)
          if (rows.length === 0) return conclude(admitted, Exit.void)
          const began = clock.unsafeCurrentTimeNanos()
          put(rows, (committed) =>
            attempt(group, () => {
              if (Exit.isFailure(committed)) {
                forgetUnheld(rows, now)
                return conclude(admitted, committed)
              }
              commitSeconds.unsafeUpdate(Number(clock.unsafeCurrentTimeNanos() - began) / 1e9, [])
              commitRequests.unsafeUpdate(admitted.length, [])
              feed.unsafeEmit({ cause: "write", changes: rows, content: zone.apply(rows) })
              const settling = feed.settling()
              if (settling === undefined) conclude(admitted, Exit.void)
              else
                run(settling, { onExit: (exit) => attempt(group, () => conclude(admitted, exit)) })
            })
          )
        })
      }

      // What waits is still committed.
      yield* Effect.addFinalizer(() =>
        Effect.async<void>((resume) => {
          open = false
          if (!busy && answers.isEmpty) return resume(Effect.void)
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
