/**
 * One conversation with a peer: what was deleted there, what is new there, the cluster's
 * manifest, and now and then all it has. Ends when there is nothing left to learn.
 */
import { Clock, Effect, Option, Stream } from "effect"
import { thriftily } from "../runtime/Garbage.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { Limits } from "../zone/Limits.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { RecordStore } from "../zone/RecordStore.ts"
import { Deletions } from "./Deletions.ts"
import * as DeletionExchange from "./DeletionExchange.ts"
import { wanted } from "./DigestEntries.ts"
import * as Fetch from "./Fetch.ts"
import * as Fingerprint from "./Fingerprint.ts"
import { Importer } from "./Importer.ts"
import { ManifestInstall } from "./ManifestInstall.ts"
import type { Dialogue, DialogueError } from "./PeerDialogue.ts"
import * as PeerPages from "./PeerPages.ts"
import { PeersConfig } from "./PeersConfig.ts"
import type { PeerState } from "./PeerState.ts"
import * as SyncApi from "./SyncApi.ts"
import { SyncState } from "./SyncState.ts"

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
  const pages = yield* PeerPages.make
  const store = yield* RecordStore
  const syncState = yield* SyncState
  const zone = yield* AnswerIndex

  const save = (state: PeerState) =>
    syncState.saveWatermark({
      peer: state.peer.url.href,
      ...state.cursor,
      deletionsSeen: state.deletionsSeen
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

  /**
   * Reads on from the watermark, a page asked for while the rows of the one before are fetched;
   * true at the end of what the peer has.
   */
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
      // Deletions come first, or a page would bring back what they took away.
      const greet = Effect.suspend(() =>
        state.extensions.has("deletions") ? exchange(dialogue, state, fetch) : Effect.void
      )
      yield* pages.afterWatermark(dialogue, state, greet).pipe(
        // In order, so the watermark never passes a row that nobody has dealt with.
        Stream.mapEffect(
          (page) => Effect.as(Effect.flatMap(lacking(state, page.entries), fetch), page),
          { concurrency: pagesAtOnce }
        ),
        Stream.runForEach(({ end, isEnd }) =>
          Effect.gen(function* () {
            ended = isEnd
            if (end === undefined) return
            state.cursor = end
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

  const reconcile = (
    dialogue: Dialogue,
    state: PeerState,
    fetch: ReturnType<typeof Fetch.make>,
    now: number
  ) =>
    Effect.gen(function* () {
      if (state.extensions.has("fingerprint")) {
        const zones = pages.zonesFor(state)
        const ours = yield* Fingerprint.of(store, Math.floor(now / 1000), SyncApi.within(zones))
        const theirs = yield* dialogue.fingerprint(zones)
        const buckets = Fingerprint.differing(ours, theirs.buckets)
        if (buckets.length === 0) return true
        if (buckets.length <= manyBuckets) {
          yield* Stream.runForEach(pages.ofBuckets(dialogue, state, buckets), (entries) =>
            Effect.flatMap(lacking(state, entries), fetch)
          )
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
