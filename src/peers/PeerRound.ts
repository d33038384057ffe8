/**
 * One conversation with a peer: what was deleted there, what is new there, the cluster's
 * manifest, and now and then all it has. Ends when there is nothing left to learn.
 */
import { Clock, Effect, Option } from "effect"
import type { DigestCursor, StoreError } from "../zone/RecordStore.ts"
import { Limits } from "../zone/Limits.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { RecordStore } from "../zone/RecordStore.ts"
import { Deletions } from "./Deletions.ts"
import * as DeletionExchange from "./DeletionExchange.ts"
import { cursorOf, isAfter, sound, wanted } from "./DigestEntries.ts"
import * as Fetch from "./Fetch.ts"
import * as Fingerprint from "./Fingerprint.ts"
import { Importer } from "./Importer.ts"
import { ManifestInstall } from "./ManifestInstall.ts"
import { type Dialogue, type DialogueError, type Digest, PeerFault } from "./PeerDialogue.ts"
import { PeersConfig } from "./PeersConfig.ts"
import type { PeerState } from "./PeerState.ts"
import * as SyncApi from "./SyncApi.ts"
import { SyncState } from "./SyncState.ts"

/** Pages of one round; a peer that has more is asked again at once. */
const maxPages = 500
/** Rows due again that one round asks for. */
const maxRetries = 512
/** Differing buckets above which everything is read again. */
const manyBuckets = 64
/** Milliseconds between looks at a peer's manifest; its record replicates by itself too. */
const gossipEvery = 60_000

/**
 * Milliseconds an entry may be stamped ahead of the peer's clock. A node of this release whose
 * clock was set back stamps on from where it was, since its order must never turn.
 */
const aheadOfReleased = 60_000
const aheadOfOurs = 86_400_000

export interface RoundEnd {
  /** False when the peer has more to give. */
  readonly caughtUp: boolean
}

export type Round = (
  dialogue: Dialogue,
  state: PeerState
) => Effect.Effect<RoundEnd, DialogueError | StoreError>

/** Built once over the node's services. */
export const make = Effect.gen(function* () {
  const config = yield* PeersConfig
  const deletions = yield* Deletions
  const importer = yield* Importer
  const install = yield* ManifestInstall
  const limits = yield* Limits
  const store = yield* RecordStore
  const syncState = yield* SyncState
  const zone = yield* AnswerIndex

  const save = (state: PeerState) =>
    syncState.saveWatermark({
      peer: state.peer.url.href,
      ...state.cursor,
      deletionsSeen: state.deletionsSeen
    })

  const lacking = (state: PeerState, page: Digest, after: DigestCursor) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const slack = state.extensions.size > 0 ? aheadOfOurs : aheadOfReleased
      const entries = sound(page.entries, after, now + (state.clockOffset ?? 0) + slack)
      const rows = wanted(entries, zone, {
        now: Math.floor(now / 1000),
        maxTtl: limits.maxTtl,
        inZone: importer.inZone,
        isDead: deletions.isDead,
        isHeld: (name, hash) => state.quarantine.has(name, hash)
      })
      return { last: entries.at(-1), rows }
    })

  const learn = (state: PeerState, page: Digest) =>
    Effect.sync(() => {
      state.extensions = page.extensions
      state.clockOffset = page.clockOffset ?? state.clockOffset
    })

  const exchange = (dialogue: Dialogue, state: PeerState, fetch: ReturnType<typeof Fetch.make>) =>
    Effect.gen(function* () {
      const before = state.deletionsSeen
      const revived = yield* DeletionExchange.run(
        { deletions, importer, store, zone },
        dialogue,
        state
      )
      yield* fetch(revived)
      if (state.deletionsSeen !== before) yield* save(state)
    })

  const retryHeld = (state: PeerState, fetch: ReturnType<typeof Fetch.make>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      fetch(
        state.quarantine
          .due(now, maxRetries)
          .map(({ hash, name, until }) => ({ name, hash, ttl: Math.ceil((until - now) / 1000) }))
      )
    )

  /** Reads on from the watermark; true at the end of what the peer has. */
  const readOn = (dialogue: Dialogue, state: PeerState, fetch: ReturnType<typeof Fetch.make>) =>
    Effect.gen(function* () {
      let exchanged = false
      for (let at = 0; at < maxPages; at++) {
        const page = yield* dialogue.digest(state.cursor, SyncApi.defaultDigestLimit)
        yield* learn(state, page)
        // Deletions come first, or a page would bring back what they took away.
        if (!exchanged && state.extensions.has("deletions")) {
          exchanged = true
          yield* exchange(dialogue, state, fetch)
        }
        const { last, rows } = yield* lacking(state, page, state.cursor)
        yield* fetch(rows)
        if (last === undefined) {
          if (page.entries.length > 0 && page.hasMore)
            return yield* new PeerFault({ status: 0, message: "a page without a sound entry" })
          return true
        }
        state.cursor = cursorOf(last)
        yield* save(state)
        if (!page.hasMore) return true
      }
      return false
    })

  /** All rows of some buckets; a copy of the watermark's reading without moving it. */
  const readBuckets = (
    dialogue: Dialogue,
    state: PeerState,
    fetch: ReturnType<typeof Fetch.make>,
    buckets: ReadonlyArray<string>
  ) =>
    Effect.gen(function* () {
      let cursor = SyncApi.start
      for (let at = 0; at < maxPages; at++) {
        const page = yield* dialogue.digest(cursor, SyncApi.defaultDigestLimit, buckets)
        const { rows } = yield* lacking(state, page, cursor)
        yield* fetch(rows)
        const next = Option.flatMap(Option.fromNullable(page.nextCursor), SyncApi.parseCursor).pipe(
          Option.filter((after) => isAfter(after, cursor))
        )
        if (!page.hasMore || Option.isNone(next)) return
        cursor = next.value
      }
    })

  const reconcile = (
    dialogue: Dialogue,
    state: PeerState,
    fetch: ReturnType<typeof Fetch.make>,
    now: number
  ) =>
    Effect.gen(function* () {
      if (state.extensions.has("fingerprint")) {
        const ours = yield* Fingerprint.of(store, Math.floor(now / 1000))
        const theirs = yield* dialogue.fingerprint
        const buckets = Fingerprint.differing(ours, theirs.buckets)
        if (buckets.length === 0) return true
        if (buckets.length <= manyBuckets) {
          yield* readBuckets(dialogue, state, fetch, buckets)
          return true
        }
      }
      // Rows that a peer stamped before its clock went back lie behind the watermark.
      state.cursor = SyncApi.start
      return yield* readOn(dialogue, state, fetch)
    })

  const gossip = (dialogue: Dialogue, state: PeerState, now: number) =>
    Effect.gen(function* () {
      if (now - state.gossipedAt < gossipEvery || !install.gossips()) return
      state.gossipedAt = now
      const wire = yield* dialogue.manifest
      if (Option.isSome(wire)) yield* install.offer(wire.value, `peer ${state.peer.id}`)
    })

  const round: Round = (dialogue, state) =>
    Effect.gen(function* () {
      const fetch = Fetch.make(importer, dialogue, state)
      yield* retryHeld(state, fetch)
      let caughtUp = yield* readOn(dialogue, state, fetch)
      const now = yield* Clock.currentTimeMillis
      yield* gossip(dialogue, state, now)
      if (state.reconciledAt === 0) state.reconciledAt = now
      if (caughtUp && now - state.reconciledAt >= config.reconcileInterval * 1000) {
        caughtUp = yield* reconcile(dialogue, state, fetch, now)
        state.reconciledAt = now
      }
      return { caughtUp }
    })
  return round
})
