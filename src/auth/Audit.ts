/**
 * Collects audit rows in memory and writes them in batches, so that no request waits on the
 * trail and no stranger can fill the disk: refusals that repeat within a minute become one
 * counted row. Invariant: see `AuditRow`.
 */
import { Context, Effect, Layer, Metric, Schedule } from "effect"
import { reducer } from "./AddressDetail.ts"
import type { AuditEvent, AuditRow } from "./AuditRow.ts"
import * as AuthMetrics from "./AuthMetrics.ts"
import { RegistrationConfig } from "./RegistrationConfig.ts"
import { TokenStore } from "./TokenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export interface AuditEntry {
  readonly event: AuditEvent
  /** Null for everything about the shared pool and about tokens nobody holds. */
  readonly holder: { readonly tokenHash: string | null; readonly subject: string } | null
  /** The client's whole address; how much of it is kept is decided here. */
  readonly remote: string
  readonly detail: string
}

/** Rows waiting for the disk; beyond it they are counted and given up. */
const maxWaiting = 10_000
/** Kinds of refusals told apart within one window. */
const maxKinds = 64
/** Seconds in which equal refusals become one row. */
const window = 60

interface Repeated {
  readonly row: AuditRow
  again: number
}

export class Audit extends Context.Tag("dnsmesh/auth/Audit")<
  Audit,
  {
    /** Synchronous, for the write path; the row is on disk about a second later. */
    readonly record: (entry: AuditEntry) => void
    /** Writes what is waiting now. */
    readonly flush: Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.scoped(
    Audit,
    Effect.gen(function* () {
      const store = yield* TokenStore
      const config = yield* RegistrationConfig
      const clock = yield* Effect.clock
      const reduce = reducer(config.auditAddresses)
      const seconds = () => UnixTime.unsafeNow(clock)
      let waiting: Array<AuditRow> = []
      let repeats = new Map<string, Repeated>()
      let windowEnds = seconds() + window

      const push = (row: AuditRow): void => {
        if (waiting.length < maxWaiting) waiting.push(row)
        else AuthMetrics.auditDropped.unsafeUpdate(1, [])
      }

      const endWindow = (now: number): void => {
        for (const { again, row } of repeats.values())
          if (again > 0) push({ ...row, ts: now, detail: `${row.detail} (${again} more)` })
        repeats = new Map()
        windowEnds = now + window
      }

      const record = ({ detail, event, holder, remote }: AuditEntry): void => {
        const now = seconds()
        const row: AuditRow = {
          ts: now,
          event,
          tokenHash: holder?.tokenHash ?? null,
          subject: holder?.subject ?? null,
          remoteAddr: reduce(remote),
          detail
        }
        if (event === "used" || event === "issued") return push(row)
        if (now >= windowEnds) endWindow(now)
        const key = `${event} ${row.tokenHash} ${row.remoteAddr} ${detail}`
        const seen = repeats.get(key)
        if (seen !== undefined) return void seen.again++
        if (repeats.size < maxKinds) {
          repeats.set(key, { row, again: 0 })
          return push(row)
        }
        // Past so many kinds the trail keeps the number alone, not who and from where.
        const rest = repeats.get(event)
        if (rest !== undefined) return void rest.again++
        repeats.set(event, {
          row: { ...row, tokenHash: null, subject: null, remoteAddr: null, detail: "various" },
          again: 1
        })
      }

      const flush = Effect.suspend(() => {
        const rows = waiting
        waiting = []
        return rows.length === 0
          ? Effect.void
          : Effect.catchAllCause(store.appendAudit(rows), (cause) =>
              Effect.zipRight(
                Metric.incrementBy(AuthMetrics.auditDropped, rows.length),
                Effect.logWarning("audit rows were not written", cause)
              )
            )
      }).pipe(Effect.uninterruptible)

      yield* Effect.addFinalizer(() =>
        Effect.zipRight(
          Effect.sync(() => endWindow(seconds())),
          flush
        )
      )
      const tick = Effect.suspend(() => {
        const now = seconds()
        if (now >= windowEnds) endWindow(now)
        return flush
      })
      yield* Effect.forkScoped(Effect.repeat(tick, Schedule.spaced("1 second")))
      return { record, flush }
    })
  )
}
