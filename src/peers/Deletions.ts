/**
 * Keeps deleted values from coming back through peers: hears of every deletion in the zone,
 * remembers it on disk before whoever deleted hears that it is done, and tells whoever asks.
 * Heartbeats are left out, because a newer one replaces an older by itself, but for those that
 * their node withdraws.
 */
import { Clock, Context, Effect, Layer, Queue, Schedule } from "effect"
import { typeOf } from "../dmp/Record.ts"
import { ChangeFeed } from "../zone/ChangeFeed.ts"
import { Limits } from "../zone/Limits.ts"
import type { RowChange, StoreError } from "../zone/RecordStore.ts"
import { DeletionLog, type ForeignDeletion } from "./DeletionLog.ts"
import { isInCluster, PeersConfig } from "./PeersConfig.ts"
import { type StoredDeletion, SyncState } from "./SyncState.ts"
import { valueHash } from "../zone/ValueHash.ts"

/** Deletions remembered at once; some 60 MB. */
const capacity = 200_000
const day = 86_400_000
/** Beyond the longest TTL, for copies whose life was counted anew on the way. */
const margin = day
/** For types that live as long as their signature says. */
const longest = 5 * 365 * day

export class Deletions extends Context.Tag("dnsmesh/peers/Deletions")<
  Deletions,
  {
    readonly isDead: (owner: string, valueHash: string) => boolean
    readonly after: (seq: number, limit: number) => ReadonlyArray<StoredDeletion>
    /** Takes a peer's accounts; yields those that were news here. */
    readonly merge: (
      foreign: ReadonlyArray<ForeignDeletion>
    ) => Effect.Effect<ReadonlyArray<StoredDeletion>>
    /** Says that a value is alive after all: it was written after it was deleted elsewhere. */
    readonly revive: (owner: string, valueHash: string) => Effect.Effect<void>
    readonly size: () => number
    /** Until everything noted so far is on the disk. */
    readonly flush: Effect.Effect<void, StoreError>
  }
>() {
  static readonly layer = Layer.scoped(
    Deletions,
    Effect.gen(function* () {
      const feed = yield* ChangeFeed
      const { maxTtl } = yield* Limits
      const config = yield* PeersConfig
      const state = yield* SyncState
      const clock = yield* Effect.clock
      const millis = () => clock.unsafeCurrentTimeMillis()
      const log = new DeletionLog(capacity, yield* state.deletions(millis()))
      const unsaved = new Map<number, StoredDeletion>()
      const wake = yield* Queue.sliding<void>(1)

      const noted = (deletion: StoredDeletion | undefined) => {
        if (deletion === undefined) return
        unsaved.set(deletion.seq, deletion)
        wake.unsafeOffer(undefined)
      }
      const keepUntil = (value: string, now: number) => {
        const type = typeOf(value)
        const long = type === "revocation" || type === "cluster" || type === "bootstrap"
        return now + (long ? longest : Math.max(maxTtl * 1000, 7 * day)) + margin
      }
      const hear = (change: RowChange, among: ReadonlyArray<RowChange>) => {
        const [owner, value] =
          change._tag === "Put"
            ? [change.row.owner, change.row.value]
            : [change.owner, change.value]
        const dead = change._tag === "Remove"
        if (owner.startsWith("_dnsmesh-") && !(dead && isWithdrawal(owner, among))) return
        if (!dead && !log.knows(owner)) return
        const now = millis()
        noted(log.note(owner, valueHash(value), dead, now, keepUntil(value, now)))
      }
      const saving = yield* Effect.makeSemaphore(1)
      const save = Effect.suspend(() => {
        const batch = [...unsaved.values()]
        if (batch.length === 0) return Effect.void
        return Effect.tap(state.saveDeletions(batch), () =>
          Effect.sync(() => batch.forEach(({ seq }) => unsaved.delete(seq)))
        )
      }).pipe(saving.withPermits(1))
      const flush = Effect.suspend(() => (unsaved.size === 0 ? Effect.void : save))
      // A node without peers has nobody to tell, and nobody who could bring anything back.
      if (isInCluster(config)) {
        yield* feed.subscribe(({ cause, changes }) => {
          if (cause === "write") for (const change of changes) hear(change, changes)
        })
        // What fails here is logged and tried again below; the write itself stands.
        yield* feed.settleWith(Effect.catchAllCause(flush, () => Effect.void))
      }
      yield* Effect.addFinalizer(() =>
        Effect.catchAllCause(flush, (cause) => Effect.logError("deletions were not saved", cause))
      )
      yield* Queue.take(wake).pipe(
        Effect.zipRight(
          Effect.retry(
            Effect.tapErrorCause(flush, (cause) =>
              Effect.logError("deletions were not saved", cause)
            ),
            Schedule.spaced("1 second")
          )
        ),
        Effect.forever,
        Effect.forkScoped
      )
      yield* Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        log.sweep(now)
        while ((yield* state.sweepDeletions(now, 500)) === 500) yield* Effect.sleep("5 millis")
      }).pipe(
        Effect.catchAllCause((cause) => Effect.logError("deletions were not swept", cause)),
        Effect.delay("10 minutes"),
        Effect.repeat(Schedule.forever),
        Effect.forkScoped
      )

      return Deletions.of({
        isDead: (owner, hash) => log.isDead(owner, hash),
        after: (seq, limit) => log.after(seq, limit),
        merge: (foreign) =>
          Effect.sync(() => {
            const now = millis()
            const news = foreign.flatMap((deletion) => log.merge(deletion, now) ?? [])
            news.forEach(noted)
            return news
          }),
        revive: (owner, hash) =>
          Effect.sync(() => noted(log.note(owner, hash, false, millis(), millis() + margin))),
        size: () => log.size,
        flush
      })
    })
  )
}

/** True when a heartbeat that went with `changes` was not replaced by them. */
const isWithdrawal = (owner: string, changes: ReadonlyArray<RowChange>): boolean =>
  owner.startsWith("_dnsmesh-heartbeat.") &&
  !changes.some((change) => change._tag === "Put" && change.row.owner === owner)
