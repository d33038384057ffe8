import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Metric, MetricBoundaries } from "effect"
import { spawnSync } from "node:child_process"
import { counterFamily } from "../../src/runtime/Metrics.ts"
import * as ProcessMetrics from "../../src/runtime/ProcessMetrics.ts"
import * as Prometheus from "../../src/runtime/Prometheus.ts"

const promtool = spawnSync("promtool", ["--version"]).status === 0
if (!promtool) process.stderr.write("SKIPPED: promtool is missing, it checked no metrics\n")

// The registry belongs to the process: every test has names of its own.
let serial = 0
const fresh = (name: string) => `dmp_test_${serial++}_${name}`

describe("Prometheus.render", () => {
  it.effect("writes a counter with HELP and TYPE, sorted labels and real values", () =>
    Effect.gen(function* () {
      const name = fresh("requests_total")
      const counter = Metric.counter(name, { description: "Requests", incremental: true })
      const tagged = (status: string) =>
        counter.pipe(Metric.tagged("status", status), Metric.tagged("method", "GET"))
      yield* Metric.incrementBy(tagged("429"), 2)
      tagged("200").register()
      assert.strictEqual(
        yield* Prometheus.render(name),
        `# HELP ${name} Requests\n` +
          `# TYPE ${name} counter\n` +
          `${name}{method="GET",status="200"} 0\n` +
          `${name}{method="GET",status="429"} 2\n`
      )
    })
  )

  it.effect("writes HELP and TYPE even for a metric nobody described", () =>
    Effect.gen(function* () {
      const name = fresh("level")
      yield* Metric.set(Metric.gauge(name), -1.5)
      assert.strictEqual(
        yield* Prometheus.render(name),
        `# HELP ${name} ${name}\n# TYPE ${name} gauge\n${name} -1.5\n`
      )
    })
  )

  it.effect("keeps big counters exact", () =>
    Effect.gen(function* () {
      const name = fresh("big_total")
      const counter = Metric.counter(name, { bigint: true, incremental: true })
      yield* Metric.incrementBy(counter, 9_007_199_254_740_993n)
      assert.include(yield* Prometheus.render(name), `${name} 9007199254740993\n`)
    })
  )

  it.effect("writes cumulative buckets that end with +Inf, a sum and a count", () =>
    Effect.gen(function* () {
      const name = fresh("seconds")
      const histogram = Metric.histogram(name, MetricBoundaries.fromIterable([0.1, 1]), "Time")
      for (const value of [0.05, 0.1, 0.5, 7]) yield* Metric.update(histogram, value)
      assert.strictEqual(
        yield* Prometheus.render(name),
        `# HELP ${name} Time\n# TYPE ${name} histogram\n` +
          `${name}_bucket{le="0.1"} 2\n${name}_bucket{le="1"} 3\n${name}_bucket{le="+Inf"} 4\n` +
          `${name}_sum 7.65\n${name}_count 4\n`
      )
    })
  )

  it.effect("counts an observation that is no number in +Inf and count alike", () =>
    Effect.gen(function* () {
      const name = fresh("odd_seconds")
      const histogram = Metric.histogram(name, MetricBoundaries.fromIterable([1]))
      yield* Metric.update(histogram, NaN)
      const text = yield* Prometheus.render(name)
      assert.include(text, `${name}_bucket{le="+Inf"} 1\n`)
      assert.include(text, `${name}_count 1\n`)
    })
  )

  it.effect("leaves Effect's own families out, and sorts what is left", () =>
    Effect.gen(function* () {
      yield* Metric.increment(Metric.counter("effect_test_total", { incremental: true }))
      const text = yield* Prometheus.render()
      assert.notInclude(text, "effect_")
      const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
      assert.isNotEmpty(families)
      assert.deepStrictEqual(families, families.toSorted())
    })
  )

  it.effect.prop(
    "survives any label value, one line a sample",
    [FastCheck.string({ unit: "binary" })],
    ([value]) =>
      Effect.gen(function* () {
        const name = fresh("hostile_total")
        const counter = Metric.counter(name, { incremental: true, description: "a\\b\nc" })
        yield* Metric.increment(Metric.tagged(counter, "value", value))
        const lines = (yield* Prometheus.render(name)).split("\n")
        assert.lengthOf(lines, 4)
        assert.strictEqual(lines[0], `# HELP ${name} a\\\\b\\nc`)
        const [, escaped] = /^\S+\{value="(.*)"\} 1$/s.exec(lines[2]!)!
        const read = escaped!.replace(/\\(.)/gs, (_, char) => (char === "n" ? "\n" : char))
        assert.strictEqual(read, value)
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.scopedLive.skipIf(!promtool)("passes promtool with all kinds of metrics", () =>
    Effect.gen(function* () {
      yield* Effect.provide(
        Effect.gen(function* () {
          yield* Effect.sleep("50 millis")
          const summary = Metric.summary({
            name: "dmp_test_age_seconds",
            maxAge: "1 minute",
            maxSize: 10,
            error: 0.01,
            quantiles: [0.5, 0.99]
          })
          yield* Metric.update(summary, 3)
          yield* Metric.update(Metric.frequency("dmp_test_words_total"), "word")
          const histogram = Metric.histogram(
            "dmp_test_wait_seconds",
            MetricBoundaries.fromIterable([0.1, 1])
          )
          yield* Metric.update(Metric.tagged(histogram, "door", `"dns"\\`), 0.3)
          counterFamily("dmp_test_drops_total", "Drops", "reason", ["a", "b"])("a")
          const text = yield* Prometheus.render()
          for (const name of ["dmp_build_info", "process_cpu_seconds_total", "nodejs_eventloop"])
            assert.include(text, name)
          const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
            input: yield* Prometheus.render(
              "dmp_build",
              "dmp_test_age",
              "dmp_test_words",
              "dmp_test_wait",
              "dmp_test_drops",
              "process_",
              "nodejs_"
            ),
            encoding: "utf8"
          })
          assert.strictEqual(`${stdout}${stderr}`, "")
          assert.strictEqual(status, 0)
        }),
        ProcessMetrics.layer({ version: "1.2.3", commit: "abc" })
      )
    })
  )
})

describe("counterFamily", () => {
  it.effect("has every series from the start, and counts by label", () =>
    Effect.gen(function* () {
      const name = fresh("sheds_total")
      const shed = counterFamily(name, "Sheds", "reason", ["full", "slow"])
      const series = Effect.map(Prometheus.render(name), (text) => text.split("\n").slice(2, -1))
      assert.deepStrictEqual(yield* series, [
        `${name}{reason="full"} 0`,
        `${name}{reason="slow"} 0`
      ])
      shed("slow")
      shed("slow", 3)
      assert.deepStrictEqual(yield* series, [
        `${name}{reason="full"} 0`,
        `${name}{reason="slow"} 4`
      ])
    })
  )
})

describe("ProcessMetrics.layer", () => {
  it.scopedLive("says what was built, and that the process costs something", () =>
    Effect.gen(function* () {
      yield* Effect.sleep("30 millis")
      const text = yield* Prometheus.render()
      assert.include(
        text,
        `dmp_build_info{commit="c0ffee",node="${process.version}",version="9.9.9"} 1`
      )
      const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1])
      assert.isAbove(value("process_cpu_seconds_total"), 0)
      assert.isAbove(value("process_resident_memory_bytes"), 1e6)
      assert.isAtLeast(value("nodejs_eventloop_lag_max_seconds"), 0)
      assert.isAtLeast(value("nodejs_eventloop_busy_seconds_total"), 0)
    }).pipe(Effect.provide(ProcessMetrics.layer({ version: "9.9.9", commit: "c0ffee" })))
  )
})
