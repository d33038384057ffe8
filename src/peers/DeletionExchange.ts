/**
 * Learns from a peer what was deleted there. A value this node wrote after the deletion, not
 * knowing of it, is kept and reported alive; any other goes.
 */
import { Clock, Effect, Option, Schema } from "effect"
import * as Name from "../wire/Name.ts"
import type { LiveZone } from "../zone/LiveZone.ts"
import type { RecordStore, StoreError } from "../zone/RecordStore.ts"
import type { ForeignDeletion } from "./DeletionLog.ts"
import type { Deletions } from "./Deletions.ts"
import type { Wanted } from "./Fetch.ts"
import type { Importer } from "./Importer.ts"
import type { Dialogue, DialogueError } from "./PeerDialogue.ts"
import type { PeerState } from "./PeerState.ts"
import type { StoredDeletion } from "./SyncState.ts"
import * as SyncApi from "./SyncApi.ts"
import * as SyncMetrics from "./SyncMetrics.ts"
import { valueHash } from "../zone/ValueHash.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const decode = Schema.decodeUnknownOption(SyncApi.Deletion)
const day = 86_400_000
/** Longest a deletion is remembered on a peer's word, ms. */
const maxKeep = 5 * 366 * day
/** Pages in one round. */
const maxPages = 500

export interface Services {
  readonly deletions: Deletions["Type"]
  readonly importer: Importer["Type"]
  readonly store: RecordStore["Type"]
  readonly zone: LiveZone
}

/** Reads all the peer has to say; yields the values it reports alive again. */
export const run = (
  { deletions, importer, store, zone }: Services,
  dialogue: Dialogue,
  state: PeerState
): Effect.Effect<ReadonlyArray<Wanted>, DialogueError | StoreError> =>
  Effect.gen(function* () {
    const revived: Array<Wanted> = []
    for (let page = 0; page < maxPages; page++) {
      const reply = yield* dialogue.deletions(state.deletionsSeen)
      const now = yield* Clock.currentTimeMillis
      const foreign = reply.deletions.flatMap((raw) =>
        Option.toArray(Option.flatMap(decode(raw), (deletion) => read(deletion, now)))
      )
      const inZone = foreign.filter(({ owner }) => importer.inZone(owner))
      for (const news of yield* deletions.merge(inZone))
        if (!news.dead)
          revived.push({
            name: news.owner,
            hash: news.valueHash,
            ttl: Math.ceil((news.keepUntil - now) / 1000)
          })
      yield* apply(inZone.filter(({ dead }) => dead))
      if (reply.next <= state.deletionsSeen) break
      state.deletionsSeen = reply.next
      if (!reply.has_more) break
    }
    return revived

    function apply(dead: ReadonlyArray<ForeignDeletion & { readonly owner: Name.Name }>) {
      return Effect.gen(function* () {
        const seconds = yield* UnixTime.now
        const held = dead.filter(({ owner }) => zone.live(owner, seconds).length > 0)
        if (held.length === 0) return
        const byKey = new Map(held.map((entry) => [`${entry.owner} ${entry.valueHash}`, entry]))
        const rows = yield* store.rowsAt([...new Set(held.map(({ owner }) => owner))], seconds)
        const going: Array<{ readonly owner: Name.Name; readonly value: string }> = []
        for (const { createdAt, owner, value } of rows) {
          const hash = valueHash(value)
          const entry = byKey.get(`${owner} ${hash}`)
          if (entry === undefined || !deletions.isDead(owner, hash)) continue
          if (createdAt * 1000 > entry.at) yield* deletions.revive(owner, hash)
          else going.push({ owner, value })
        }
        if (going.length === 0) return
        yield* importer.withdraw(state.peer, going)
        yield* SyncMetrics.deleted(going.length)
      })
    }
  })

/** A peer's account by our clock; nothing when its times are out of all proportion. */
const read = (
  { age, dead, hash, keep, name, version }: SyncApi.Deletion,
  now: number
): Option.Option<ForeignDeletion & { readonly owner: Name.Name }> =>
  Option.filterMap(Name.parse(name), (owner) =>
    // A version far ahead of every clock would win for good.
    keep <= 0 || version > now + day
      ? Option.none()
      : Option.some({
          owner,
          valueHash: hash,
          dead,
          version,
          at: now - age,
          keepUntil: now + Math.min(keep, maxKeep)
        })
  )

/** What this node answers: an account with its times relative to `now` (ms). */
export const write = (deletion: StoredDeletion, now: number): SyncApi.Deletion =>
  new SyncApi.Deletion({
    name: deletion.owner,
    hash: deletion.valueHash,
    dead: deletion.dead,
    version: deletion.version,
    age: Math.max(0, now - deletion.at),
    keep: Math.max(0, deletion.keepUntil - now)
  })
