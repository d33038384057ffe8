/** Gauges read when somebody scrapes, not kept up to date in between. */
import { Effect, Metric } from "effect"
import { Readiness } from "../runtime/Readiness.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { RecordStore } from "../zone/RecordStore.ts"

const records = Metric.gauge("dmp_records", { description: "Live values held" })
const databaseBytes = Metric.gauge("dmp_store_database_bytes", {
  description: "Size of the record database without its write-ahead log, in bytes"
})
const walBytes = Metric.gauge("dmp_store_wal_bytes", {
  description: "Size of the record database's write-ahead log, in bytes"
})
const expiredRows = Metric.gauge("dmp_store_expired_rows", {
  description: "Rows whose lifetime is over and which no sweep has removed yet"
})

const zoneBytes = Metric.gauge("dmp_zone_memory_bytes", {
  description: "Memory that the live zone takes, in bytes"
})
const zoneLimit = Metric.gauge("dmp_zone_memory_limit_bytes", {
  description: "Memory that the live zone can take at most, in bytes"
})

const readyNow = Metric.gauge("dmp_ready", {
  description: "1 while the node should be sent work, as /readyz says, else 0"
})

/** Reads them now. A store in trouble leaves its gauges as they were; that it is, others show. */
export const refresh = Effect.gen(function* () {
  const store = yield* RecordStore
  const zone = yield* AnswerIndex
  const readiness = yield* Readiness
  for (const gauge of [
    readyNow,
    records,
    zoneBytes,
    zoneLimit,
    databaseBytes,
    walBytes,
    expiredRows
  ])
    gauge.register()
  return Effect.gen(function* () {
    yield* Metric.set(records, zone.valueCount)
    const { limit, octets } = zone.room()
    yield* Metric.set(zoneBytes, octets)
    yield* Metric.set(zoneLimit, limit)
    yield* Metric.set(readyNow, (yield* readiness.report).ready ? 1 : 0)
    const usage = yield* store.usage(yield* UnixTime.now)
    yield* Metric.set(databaseBytes, usage.databaseBytes)
    yield* Metric.set(walBytes, usage.walBytes)
    yield* Metric.set(expiredRows, usage.expiredRows)
  }).pipe(
    Effect.catchAll(({ reason }) => Effect.logDebug(`the store's usage is unknown: ${reason}`))
  )
})
