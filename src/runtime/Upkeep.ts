/**
 * Work that keeps stores from growing for ever: each task by itself, in small steps with pauses
 * between them, so that nothing else waits long. A step that fails ends its task for this time
 * and no other; the next time tries again.
 */
import { Clock, Duration, Effect, Layer, Metric, Schedule } from "effect"
import { counterFamily } from "./Metrics.ts"

export const taskNames = ["tokens", "tsig-keys", "audit", "checkpoint", "vacuum"] as const
export type TaskName = (typeof taskNames)[number]

export interface Task {
  readonly name: TaskName
  /** Between the end of one time and the start of the next; the first waits one too. */
  readonly every: Duration.DurationInput
  /** One bounded step; yields how much it did, 0 when there is nothing left to do. */
  readonly step: Effect.Effect<number, { readonly reason: string }>
}

/** Between two steps: whoever waits for the store comes first. */
const pause = Duration.millis(20)

const done = counterFamily(
  "dmp_upkeep_done_total",
  "Rows, files or pages that upkeep has dealt with, by task",
  "task",
  taskNames
)
const failed = counterFamily(
  "dmp_upkeep_failures_total",
  "Times that upkeep failed, by task",
  "task",
  taskNames
)
const lastSuccess = Metric.gauge("dmp_upkeep_last_success_timestamp_seconds", {
  description: "When upkeep last came to its end, by task, Unix seconds; 0 before the first time"
})

const run = ({ name, step }: Task) =>
  Effect.gen(function* () {
    let all = 0
    while (true) {
      const count = yield* step
      if (count === 0) break
      all += count
      done(name, count)
      yield* Effect.sleep(pause)
    }
    const now = yield* Clock.currentTimeMillis
    yield* Metric.set(Metric.tagged(lastSuccess, "task", name), Math.floor(now / 1000))
    if (all > 0) yield* Effect.logDebug(`upkeep of ${name}: ${all}`)
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.zipRight(
        Effect.sync(() => failed(name)),
        Effect.logWarning(
          cause._tag === "Fail"
            ? `upkeep of ${name} failed: ${cause.error.reason}`
            : `upkeep of ${name} met a defect`,
          ...(cause._tag === "Fail" ? [] : [cause])
        )
      )
    )
  )

/** Runs `tasks` on their schedules while the layer lives. */
export const layer = (tasks: ReadonlyArray<Task>): Layer.Layer<never> =>
  Layer.scopedDiscard(
    Effect.forEach(
      tasks,
      (task) =>
        Effect.sync(() => Metric.tagged(lastSuccess, "task", task.name).register()).pipe(
          Effect.zipRight(
            run(task).pipe(
              Effect.delay(task.every),
              Effect.repeat(Schedule.forever),
              Effect.forkScoped
            )
          )
        ),
      { discard: true }
    ).pipe(Effect.annotateLogs({ logger: "dmp.server.upkeep" }))
  )
