/**
 * Pulls rows from a peer and takes them over. Every row asked for ends taken, refused into
 * quarantine, or with the whole round failing because the peer or the store did.
 */
import { Clock, Effect, Option, Schema } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import type { Candidate } from "./Import.ts"
import type { Importer } from "./Importer.ts"
import type { Dialogue, DialogueError, Pulled } from "./PeerDialogue.ts"
import type { PeerState } from "./PeerState.ts"
import { batches, halves } from "./PullBatches.ts"
import * as SyncApi from "./SyncApi.ts"
import * as SyncMetrics from "./SyncMetrics.ts"
import { valueHash } from "../zone/ValueHash.ts"

/** A row this node lacks: its name as the peer spells it, and its hash. */
export interface Wanted {
  readonly name: string
  readonly hash: string
  /** Seconds of life left. */
  readonly ttl: number
}

const decode = Schema.decodeUnknownOption(SyncApi.PulledRecord)

/** Splitting a batch may help: the peer found it too long, or we its answer. */
const splittable = (error: DialogueError): boolean =>
  error._tag === "ReplyTooLarge" ||
  (error._tag === "PeerFault" && (error.status === 400 || error.status === 413))

export const make =
  (importer: Importer["Type"], dialogue: Dialogue, state: PeerState) =>
  (rows: ReadonlyArray<Wanted>): Effect.Effect<void, DialogueError | StoreError> => {
    const asked = new Map<string, Map<string, Wanted>>()
    for (const row of rows) {
      const hashes = asked.get(row.name)
      if (hashes === undefined) asked.set(row.name, new Map([[row.hash, row]]))
      else hashes.set(row.hash, row)
    }
    const isOurs = state.extensions.size > 0
    const maxBytes = isOurs ? SyncApi.maxPullBytes : SyncApi.releasedMaxPullBytes

    const refuse = (row: Wanted, reason: string, retry: boolean, now: number) => {
      state.refused++
      state.quarantine.hold(row, reason, retry, row.ttl * 1000, now)
    }

    /** What of `pulled` was asked for; the rest is not even hashed. */
    const candidates = (names: ReadonlyArray<string>, pulled: Pulled) => {
      const found = new Map<string, Candidate>()
      const namesAsked = new Set(names)
      for (const raw of pulled.records) {
        const record = Option.getOrUndefined(decode(raw))
        if (record === undefined || !namesAsked.has(record.name)) continue
        const hash = valueHash(record.value)
        if (!asked.get(record.name)?.has(hash)) continue
        found.set(`${record.name} ${hash}`, {
          name: record.name,
          value: record.value,
          hash,
          ttl: record.ttl,
          createdAt:
            record.age === undefined ? undefined : Math.floor((pulled.askedAt - record.age) / 1000)
        })
      }
      return found
    }

    const take = (names: ReadonlyArray<string>, pulled: Pulled) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const found = candidates(names, pulled)
        for (const name of names)
          for (const row of asked.get(name)?.values() ?? [])
            // Gone since the digest, or never there: ask again, but let nothing wait for it.
            if (!found.has(`${row.name} ${row.hash}`)) refuse(row, "not-delivered", true, now)
        const outcomes = yield* importer.take(state.peer, [...found.values()], {
          acceptsHeartbeats: isOurs
        })
        let taken = 0
        for (const outcome of outcomes) {
          const { hash, name, ttl } = outcome.candidate
          if (outcome._tag === "Taken") {
            taken++
            state.quarantine.release(name, hash)
          } else refuse({ name, hash, ttl }, outcome.refused.reason, outcome.refused.retry, now)
        }
        state.taken += taken
        yield* SyncMetrics.row("taken", taken)
        yield* SyncMetrics.row("refused", outcomes.length - taken)
      })

    const unpullable = (names: ReadonlyArray<string>) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const name of names)
          for (const row of asked.get(name)?.values() ?? []) refuse(row, "unpullable", true, now)
      })

    const pull = (names: ReadonlyArray<string>): Effect.Effect<void, DialogueError | StoreError> =>
      dialogue.pull(names).pipe(
        Effect.matchEffect({
          onSuccess: (pulled) => {
            state.pullNames = Math.min(SyncApi.maxPullNames, state.pullNames * 2)
            return take(names, pulled)
          },
          onFailure: (error) => {
            const late = error._tag === "PeerUnreachable" && error.late
            const alone = names.length === 1
            if (splittable(error)) {
              if (alone) return unpullable(names)
              const [first, second] = halves(names)
              return Effect.zipRight(pull(first), pull(second))
            }
            // A peer that is slow rather than gone gets less to do in the next round.
            if (late) state.pullNames = Math.max(1, state.pullNames >> 2)
            return late && alone
              ? Effect.zipRight(unpullable(names), Effect.fail(error))
              : Effect.fail(error)
          }
        })
      )
    return Effect.forEach(batches(asked.keys(), maxBytes, state.pullNames), pull, {
      discard: true
    })
  }
