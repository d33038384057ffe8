/**
 * The only write path into the zone. HTTP publish, DNS UPDATE, heartbeat and
 * anti-entropy all end here, so a rule checked here holds for every one of them.
 * Requests that arrive while a commit runs are decided together and share the next one.
 */
import { Clock, Context, Duration, Effect, Exit, Layer, Metric, MetricBoundaries } from "effect"
import { AnswerIndex } from "./AnswerIndex.ts"
import { ChangeFeed } from "./ChangeFeed.ts"
import { ContentPolicy } from "./ContentPolicy.ts"
import { Draft } from "./Decide.ts"
import { Limits } from "./Limits.ts"
import { Shares } from "./Shares.ts"
import { RecordStore, type RowChange, StoreError } from "./RecordStore.ts"
import type { Applied, PublishError, WriteRequest } from "./WriteRequest.ts"

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

interface Waiting {
  readonly request: WriteRequest
  readonly resume: (exit: Exit.Exit<Applied, PublishError>) => void
}

export class Publisher extends Context.Tag("dnsmesh/zone/Publisher")<
  Publisher,
  {
    /** Applies all changes of one request, or none. When it succeeds they are durable and answered. */
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
      let waiting: Array<Waiting> = []
      let wake: (() => void) | undefined
      let open = true

      const apply = (request: WriteRequest): Effect.Effect<Applied, PublishError> =>
        Effect.async((resume) => {
          if (!open) return resume(closed)
          waiting.push({ request, resume })
          wake?.()
        })

      const applyEach = (requests: ReadonlyArray<WriteRequest>) =>
        Effect.async<ReadonlyArray<Exit.Exit<Applied, PublishError>>>((resume) => {
          const exits: Array<Exit.Exit<Applied, PublishError>> = requests.map(() => closed)
          let due = requests.length
          if (!open || due === 0) return resume(Effect.succeed(exits))
          for (const [at, request] of requests.entries())
            waiting.push({
              request,
              resume: (exit) => {
                exits[at] = exit
                if (--due === 0) resume(Effect.succeed(exits))
              }
            })
          wake?.()
        })

      // A macrotask: every socket that is readable delivers its request before the group closes.
      const turn = Effect.async<void>((resume) => {
        const handle = setImmediate(() => resume(Effect.void))
        return Effect.sync(() => clearImmediate(handle))
      })
      const someoneWaits = Effect.async<void>((resume) => {
        if (waiting.length > 0) return resume(Effect.void)
        wake = () => {
          wake = undefined
          resume(Effect.void)
        }
        return Effect.sync(() => {
          wake = undefined
        })
      })

      const commit = Effect.fnUntraced(function* (group: ReadonlyArray<Waiting>) {
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const draft = new Draft(zone, now, shares)
        const rows: Array<RowChange> = []
        const admitted: Array<{ readonly entry: Waiting; readonly applied: Applied }> = []
        for (const entry of group) {
          const decision = draft.decide(entry.request, { limits, policy })
          if (decision._tag === "Left") entry.resume(Exit.fail(decision.left))
          else {
            rows.push(...decision.right.rows)
            admitted.push({ entry, applied: decision.right.applied })
          }
        }
        const committed = yield* Effect.exit(
          rows.length === 0 ? Effect.void : store.commit(rows).pipe(timed)
        )
        if (Exit.isFailure(committed)) forgetUnheld(rows, now)
        else {
          const content = zone.apply(rows)
          if (rows.length > 0) {
            commitRequests.unsafeUpdate(admitted.length, [])
            feed.unsafeEmit({ cause: "write", changes: rows, content })
            yield* feed.settled
          }
        }
        for (const { entry, applied } of admitted) entry.resume(Exit.as(committed, applied))
      })

      // A defect answers the group it met, and the next group is served all the same.
      const commitGroup = Effect.suspend(() => {
        const group = waiting.slice(0, groupSize)
        waiting = waiting.slice(groupSize)
        return Effect.catchAllCause(commit(group), (cause) =>
          Effect.zipRight(
            Effect.sync(() => group.forEach((entry) => entry.resume(Exit.failCause(cause)))),
            Effect.logError("a group of writes met a defect", cause)
          )
        )
      }).pipe(Effect.uninterruptible)

      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          open = false
          while (waiting.length > 0) yield* commitGroup
        })
      )
      yield* someoneWaits.pipe(
        Effect.zipRight(turn),
        Effect.zipRight(commitGroup),
        Effect.forever,
        Effect.forkScoped
      )
      return Publisher.of({ apply, applyEach })
    })
  )
}

const closed = Exit.fail(new StoreError({ reason: "closed", message: "the node is stopping" }))

const timed = <A, E>(commit: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.timed(commit), ([duration, result]) =>
    Effect.as(Metric.update(commitSeconds, Duration.toSeconds(duration)), result)
  )
