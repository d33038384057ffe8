/**
 * One conversation with a peer: what was deleted there, what is new there, the cluster's
 * manifest, and now and then all it has. Ends when there is nothing left to learn.
 */
import { Clock, Effect, Option, Stream } from "effect"
import { thriftily } from "../runtime/Garbage.ts"
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
const maxPages = 1000
/** Entries of a page: little memory with our own, few requests with released nodes. */
const ourPage = 500
/** Pages whose rows are fetched at once: one is judged while another is on its way to the disk. */
const pagesAtOnce = 2
/** Milliseconds between two savings of the watermark while a round goes on. */
const saveEvery = 1000
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

/** What became of one question for a page. */
interface PageRead {
  readonly entries: ReadonlyArray<SyncApi.DigestEntry>
  readonly isEnd: boolean
  /** Where the watermark goes although no entry was read. */
  readonly from: DigestCursor | undefined
}

interface PageAt {
  readonly after: DigestCursor
  readonly at: number
}

const read = (
  page: PageRead,
  next: Option.Option<PageAt>
): readonly [PageRead, Option.Option<PageAt>] => [page, next]

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

  const soundIn = (state: PeerState, page: Digest, after: DigestCursor) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const slack = state.extensions.size > 0 ? aheadOfOurs : aheadOfReleased
      return sound(page.entries, after, now + (state.clockOffset ?? 0) + slack)
    })

  const lacking = (state: PeerState, entries: ReadonlyArray<SyncApi.DigestEntry>) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      wanted(entries, zone, {
        now: Math.floor(now / 1000),
        maxTtl: limits.maxTtl,
        inZone: importer.inZone,
        isDead: deletions.isDead,
        isHeld: (name, hash) => state.quarantine.has(name, hash)
      })
    )

  const learn = (state: PeerState, page: Digest) =>
    Effect.sync(() => {
      state.extensions = page.extensions
      state.clockOffset = page.clockOffset ?? state.clockOffset
    })

  /**
   * True when the peer has given out no stamp as late as the watermark: it stamped its rows anew
   * after its clock was set back, or was restored. Then it is read from the start, no more often
   * than the whole is compared, since a peer may say so of itself for ever.
   */
  const turned = (state: PeerState, page: Digest, after: DigestCursor) =>
    Effect.gen(function* () {
      if (page.newest === undefined || page.newest >= after.storedTs) return false
      const now = yield* Clock.currentTimeMillis
      if (state.rewoundAt > 0 && now - state.rewoundAt < config.reconcileInterval * 1000)
        return false
      state.rewoundAt = now
      yield* Effect.logWarning(
        `the order of ${state.peer.id} lies behind what was read of it: reading all it has`
      )
      return true
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

  const pageSize = (state: PeerState) =>
    state.extensions.size > 0 ? ourPage : SyncApi.defaultDigestLimit

  /** The pages after the watermark, the next asked for while the rows of one are fetched. */
  const pagesAfterWatermark = (
    dialogue: Dialogue,
    state: PeerState,
    fetch: ReturnType<typeof Fetch.make>
  ) =>
    Stream.paginateEffect({ after: state.cursor, at: 1 }, ({ after, at }) =>
      Effect.gen(function* () {
        const page = yield* dialogue.digest(after, pageSize(state))
        yield* learn(state, page)
        // Deletions come first, or a page would bring back what they took away.
        if (at === 1 && state.extensions.has("deletions")) yield* exchange(dialogue, state, fetch)
        if (at === 1 && (yield* turned(state, page, after)))
          return read(
            { entries: [], isEnd: false, from: SyncApi.start },
            Option.some({ after: SyncApi.start, at: 2 })
          )
        const entries = yield* soundIn(state, page, after)
        const last = entries.at(-1)
        if (last === undefined && page.entries.length > 0 && page.hasMore)
          return yield* new PeerFault({ status: 0, message: "a page without a sound entry" })
        const next =
          last !== undefined && page.hasMore ? Option.some(cursorOf(last)) : Option.none()
        return read(
          { entries, isEnd: Option.isNone(next), from: undefined },
          Option.filterMap(next, (cursor) =>
            at === maxPages ? Option.none() : Option.some({ after: cursor, at: at + 1 })
          )
        )
      })
    )

  /** Reads on from the watermark; true at the end of what the peer has. */
  const readOn = (dialogue: Dialogue, state: PeerState, fetch: ReturnType<typeof Fetch.make>) =>
    Effect.gen(function* () {
      let saved = state.cursor
      let savedAt = yield* Clock.currentTimeMillis
      let ended = false
      const keep = Effect.suspend(() => {
        const { cursor } = state
        return cursor === saved
          ? Effect.void
          : Effect.tap(save(state), () => Effect.sync(() => void (saved = cursor)))
      })
      yield* pagesAfterWatermark(dialogue, state, fetch).pipe(
        // In order, so the watermark never passes a row that nobody has dealt with.
        Stream.mapEffect(
          (page) => Effect.as(Effect.flatMap(lacking(state, page.entries), fetch), page),
          { concurrency: pagesAtOnce }
        ),
        Stream.runForEach(({ entries, from, isEnd }) =>
          Effect.gen(function* () {
            ended = isEnd
            const last = entries.at(-1)
            if (last === undefined && from === undefined) return
            state.cursor = from ?? (last === undefined ? state.cursor : cursorOf(last))
            const now = yield* Clock.currentTimeMillis
            if (now - savedAt < saveEvery) return
            savedAt = now
            yield* keep
          })
        ),
        // What was dealt with before the failure need not be read again.
        Effect.onError(() => Effect.ignore(keep))
      )
      yield* keep
      return ended
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
        const page = yield* dialogue.digest(cursor, pageSize(state), buckets)
        yield* fetch(yield* lacking(state, yield* soundIn(state, page, cursor)))
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
    }).pipe(thriftily)
  return round
})
