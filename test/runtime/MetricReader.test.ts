import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, MetricBoundaries, TestClock } from "effect"
import * as MetricHistory from "../../src/runtime/MetricHistory.ts"
import { MetricReader, quantile, since } from "../../src/runtime/MetricReader.ts"

describe("a quantile", () => {
  const histogram = {
    count: 100,
    buckets: [
      [1, 50],
      [2, 90],
      [4, 90],
      [8, 99]
    ] as const
  }
  it("is linear within its bucket", () => {
    assert.strictEqual(quantile(histogram, 0.25), 0.5)
    assert.strictEqual(quantile(histogram, 0.7), 1.5)
    assert.strictEqual(quantile(histogram, 0.9), 2)
    assert.strictEqual(quantile(histogram, 0.99), 8)
  })
  it("does not reach beyond the last boundary, and is none without observations", () => {
    assert.strictEqual(quantile(histogram, 1), 8)
    assert.strictEqual(quantile({ count: 0, buckets: [[1, 0]] }, 0.5), undefined)
  })
  it("can be of what came in between", () => {
    const later = { count: 110, buckets: histogram.buckets.map(([at, n]) => [at, n + 10] as const) }
    assert.strictEqual(quantile(since(later, histogram), 0.5), 0.5)
  })
})

describe("the reader", () => {
  it("sums series by label, and by all their labels", () => {
    const counter = Metric.counter("test_reader_total", { incremental: true })
    for (const [method, status, by] of [
      ["GET", "200", 3],
      ["GET", "404", 2],
      ["POST", "200", 5]
    ] as const)
      counter
        .pipe(Metric.tagged("method", method), Metric.tagged("status", status))
        .unsafeUpdate(by, [])
    const reader = MetricReader.now()
    assert.strictEqual(reader.value("test_reader_total"), 10)
    assert.deepStrictEqual([...reader.by("test_reader_total", "status")].sort(), [
      ["200", 8],
      ["404", 2]
    ])
    assert.strictEqual(reader.where("test_reader_total", { method: "GET", status: "200" }), 3)
    assert.strictEqual(reader.value("test_reader_absent"), undefined)
  })
})

describe("the history", () => {
  it.scoped("gives rates over the last minute and latencies over five, and forgets the rest", () =>
    Effect.gen(function* () {
      const counter = Metric.counter("test_history_total", { incremental: true })
      const latency = Metric.histogram(
        "test_history_seconds",
        MetricBoundaries.fromIterable([1, 2, 4])
      )
      counter.unsafeUpdate(1000, [])
      latency.unsafeUpdate(4, [])
      const history = yield* MetricHistory.make({
        counters: { things: (reader) => reader.value("test_history_total") ?? 0 },
        histograms: ["test_history_seconds"]
      })
      assert.strictEqual(history.rate("things"), 0)
      assert.strictEqual(history.latency("test_history_seconds", 0.5), undefined)
      for (let i = 0; i < 12; i++) {
        counter.unsafeUpdate(10, [])
        latency.unsafeUpdate(0.5, [])
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(history.rate("things"), 2)
      assert.strictEqual(history.latency("test_history_seconds", 0.5), 0.5)
      assert.deepStrictEqual(new Set(history.series("things")), new Set([2]))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(history.rate("things"), 0)
      assert.strictEqual(history.latency("test_history_seconds", 0.5), undefined)
      assert.lengthOf(history.series("things"), 180)
    })
  )
})
