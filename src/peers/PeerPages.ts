/**
 * The pages of a peer's digest: how much is asked for at once, which of a page's entries are
 * believed, and where the next one begins. Invariant: no page ends before one that came earlier,
 * so every reading comes to an end.
 */
import { Clock, Effect, Option, Stream } from "effect"
import type { DigestCursor } from "../zone/RecordStore.ts"
import { cursorOf, isAfter, sound } from "./DigestEntries.ts"
import { Importer } from "./Importer.ts"
import { type Dialogue, type Digest, PeerFault } from "./PeerDialogue.ts"
import { PeersConfig } from "./PeersConfig.ts"
import type { PeerState } from "./PeerState.ts"
import * as SyncApi from "./SyncApi.ts"

/** Pages of one round; a peer that has more is asked again at once. */
const maxPages = 1000
/** Entries of a page: little memory with our own, few requests with released nodes. */
const ourPage = 500

/**
 * Milliseconds an entry may be stamped ahead of the peer's clock. A node of this release whose
 * clock was set back stamps on from where it was, since its order must never turn.
 */
const aheadOfReleased = 60_000
const aheadOfOurs = 86_400_000

export interface PageRead {
  readonly entries: ReadonlyArray<SyncApi.DigestEntry>
  /** Where the watermark goes once the entries are dealt with; it stays where this is missing. */
  readonly end: DigestCursor | undefined
  /** True at the end of what the peer has. */
  readonly isEnd: boolean
}

interface PageAt {
  readonly after: DigestCursor
  readonly at: number
}

const step = (
  page: PageRead,
  next: Option.Option<PageAt>
): readonly [PageRead, Option.Option<PageAt>] => [page, next]

/** Built once over the node's services. */
export const make = Effect.gen(function* () {
  const config = yield* PeersConfig
  const { zones } = yield* Importer

  /** What to ask this peer about: our zones, where it can tell them from others. */
  const zonesFor = (state: PeerState) =>
    state.extensions.has("zones") && (zones?.length ?? 0) <= SyncApi.maxZones ? zones : undefined

  const ask = (
    dialogue: Dialogue,
    state: PeerState,
    after: DigestCursor,
    buckets?: ReadonlyArray<string>
  ) => {
    const size = state.extensions.size > 0 ? ourPage : SyncApi.defaultDigestLimit
    return dialogue.digest(after, size, zonesFor(state), buckets)
  }

  const believed = (state: PeerState, page: Digest, after: DigestCursor) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const slack = state.extensions.size > 0 ? aheadOfOurs : aheadOfReleased
      return sound(page.entries, after, now + (state.clockOffset ?? 0) + slack)
    })

  const nextOf = ({ nextCursor }: Digest, after: DigestCursor) =>
    Option.fromNullable(nextCursor).pipe(
      Option.flatMap(SyncApi.parseCursor),
      Option.filter((next) => isAfter(next, after))
    )

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

  /**
   * Where a page ends: after what it shows, or after what one of our own passed over in other
   * zones. No later than an entry could be, so a peer can hide its own rows and for a day only.
   */
  const endOf = (
    state: PeerState,
    page: Digest,
    last: SyncApi.DigestEntry | undefined,
    after: DigestCursor
  ) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const shown = last === undefined ? undefined : cursorOf(last)
      if (!state.extensions.has("zones")) return shown
      const latest = now + (state.clockOffset ?? 0) + aheadOfOurs
      return nextOf(page, shown ?? after).pipe(
        Option.filter(({ storedTs }) => storedTs <= latest),
        Option.getOrElse(() => shown)
      )
    })

  /** The pages after the watermark. `greet` runs once the first has told what the peer can do. */
  const afterWatermark = <E>(dialogue: Dialogue, state: PeerState, greet: Effect.Effect<void, E>) =>
    Stream.paginateEffect({ after: state.cursor, at: 1 }, ({ after, at }: PageAt) =>
      Effect.gen(function* () {
        const page = yield* ask(dialogue, state, after)
        state.extensions = page.extensions
        state.clockOffset = page.clockOffset ?? state.clockOffset
        if (at === 1) {
          yield* greet
          if (yield* turned(state, page, after))
            return step(
              { entries: [], end: SyncApi.start, isEnd: false },
              Option.some({ after: SyncApi.start, at: 2 })
            )
        }
        const entries = yield* believed(state, page, after)
        const last = entries.at(-1)
        if (last === undefined && page.entries.length > 0 && page.hasMore)
          return yield* new PeerFault({ status: 0, message: "a page without a sound entry" })
        const end = yield* endOf(state, page, last, after)
        const next = end !== undefined && page.hasMore ? Option.some(end) : Option.none()
        return step(
          { entries, end, isEnd: Option.isNone(next) },
          Option.filterMap(next, (cursor) =>
            at === maxPages ? Option.none() : Option.some({ after: cursor, at: at + 1 })
          )
        )
      })
    )

  /** All entries of some buckets, page by page; the watermark stays where it is. */
  const ofBuckets = (dialogue: Dialogue, state: PeerState, buckets: ReadonlyArray<string>) =>
    Stream.paginateEffect({ after: SyncApi.start, at: 1 }, ({ after, at }: PageAt) =>
      Effect.gen(function* () {
        const page = yield* ask(dialogue, state, after, buckets)
        const entries = yield* believed(state, page, after)
        const next = page.hasMore && at < maxPages ? nextOf(page, after) : Option.none()
        return [entries, Option.map(next, (cursor) => ({ after: cursor, at: at + 1 }))] as const
      })
    )

  return { zonesFor, afterWatermark, ofBuckets }
})
