/**
 * What the process costs and how late its event loop runs. A layer of its own: without it the
 * node works and these families are absent.
 */
import { Effect, Layer, Metric, Schedule } from "effect"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"

const counter = (name: string, description: string) =>
  Metric.counter(name, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const cpu = counter("process_cpu_seconds_total", "User and system CPU time, in seconds")
const resident = gauge("process_resident_memory_bytes", "Resident memory, in bytes")
const started = gauge("process_start_time_seconds", "Start of the process, in Unix seconds")
const heapUsed = gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use, in bytes")
const heapTotal = gauge("nodejs_heap_size_total_bytes", "JavaScript heap reserved, in bytes")
const external = gauge(
  "nodejs_external_memory_bytes",
  "Memory outside the heap that JavaScript holds"
)
const busy = counter("nodejs_eventloop_busy_seconds_total", "Time the event loop was not idle")
const lagMax = gauge("nodejs_eventloop_lag_max_seconds", "Worst delay of a timer since last taken")
const lagMean = gauge("nodejs_eventloop_lag_mean_seconds", "Mean delay of timers since last taken")
const lagP50 = gauge("nodejs_eventloop_lag_p50_seconds", "Median delay of timers since last taken")
const lagP99 = gauge(
  "nodejs_eventloop_lag_p99_seconds",
  "99th percentile of timers' delay since last taken"
)
const info = gauge("dmp_build_info", "1, labelled with what this node was built from")

export interface Build {
  readonly version: string
  readonly commit: string
}

/** Milliseconds between the samples of the loop's delay, which count as delay themselves. */
const resolution = 20

/** Takes the metrics now and every five seconds. */
export const layer = ({ version, commit }: Build): Layer.Layer<never> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const delay = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const histogram = monitorEventLoopDelay({ resolution })
          histogram.enable()
          return histogram
        }),
        (histogram) => Effect.sync(() => histogram.disable())
      )
      let spent = 0
      let active = 0
      // Nanoseconds of a histogram that may still be empty, in seconds of lag.
      const lag = (nanoseconds: number): number =>
        Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - resolution / 1000) : 0

      const take = Effect.sync(() => {
        const { user, system } = process.cpuUsage()
        const cpuNow = (user + system) / 1e6
        cpu.unsafeUpdate(cpuNow - spent, [])
        spent = cpuNow
        const activeNow = performance.eventLoopUtilization().active / 1000
        busy.unsafeUpdate(activeNow - active, [])
        active = activeNow
        const memory = process.memoryUsage()
        resident.unsafeUpdate(memory.rss, [])
        heapUsed.unsafeUpdate(memory.heapUsed, [])
        heapTotal.unsafeUpdate(memory.heapTotal, [])
        external.unsafeUpdate(memory.external, [])
        const sampled = delay.count > 0
        lagMax.unsafeUpdate(sampled ? lag(delay.max) : 0, [])
        lagMean.unsafeUpdate(sampled ? lag(delay.mean) : 0, [])
        lagP50.unsafeUpdate(sampled ? lag(delay.percentile(50)) : 0, [])
        lagP99.unsafeUpdate(sampled ? lag(delay.percentile(99)) : 0, [])
        delay.reset()
      })
      started.unsafeUpdate(performance.timeOrigin / 1000, [])
      info
        .pipe(
          Metric.tagged("version", version),
          Metric.tagged("commit", commit),
          Metric.tagged("node", process.version)
        )
        .unsafeUpdate(1, [])
      yield* take.pipe(Effect.repeat(Schedule.spaced("5 seconds")), Effect.forkScoped)
    })
  )
