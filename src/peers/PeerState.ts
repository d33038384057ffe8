/** What this node knows of one peer while it runs: changed by that peer's fiber alone. */
import { Clock, Context, Effect, Layer, Queue } from "effect"
import type { DigestCursor } from "../zone/RecordStore.ts"
import type { Peer } from "./Peer.ts"
import { Quarantine } from "./Quarantine.ts"
import * as SyncApi from "./SyncApi.ts"

export interface PeerState {
  readonly peer: Peer
  /** One element while a round is asked for. */
  readonly wake: Queue.Queue<void>
  readonly quarantine: Quarantine
  cursor: DigestCursor
  deletionsSeen: number
  extensions: ReadonlySet<string>
  /** Names in one pull: fewer after one that took too long, more after each that did not. */
  pullNames: number
  /** How far the peer's clock is ahead, ms; undefined until it was heard. */
  clockOffset: number | undefined
  warnedOfClock: boolean
  /** When this state began, ms. */
  readonly openedAt: number
  /** When the last whole round ended, ms; 0 before the first. */
  caughtUpAt: number
  reconciledAt: number
  /** When it was last read from the start because its order had turned, ms; 0 before the first. */
  rewoundAt: number
  gossipedAt: number
  /** Rounds failed in a row. */
  failures: number
  lastError: string
  taken: number
  refused: number
}

const make = (peer: Peer): Effect.Effect<PeerState> =>
  Effect.map(Effect.zip(Queue.sliding<void>(1), Clock.currentTimeMillis), ([wake, openedAt]) => ({
    peer,
    wake,
    quarantine: new Quarantine(),
    cursor: SyncApi.start,
    deletionsSeen: 0,
    extensions: new Set(),
    pullNames: SyncApi.maxPullNames,
    clockOffset: undefined,
    warnedOfClock: false,
    openedAt,
    caughtUpAt: 0,
    reconciledAt: 0,
    rewoundAt: 0,
    gossipedAt: 0,
    failures: 0,
    lastError: "",
    taken: 0,
    refused: 0
  }))

/** Every peer's state by URL; read by status, hints and metrics. */
export class PeerStates extends Context.Tag("dnsmesh/peers/PeerStates")<
  PeerStates,
  {
    readonly all: () => ReadonlyArray<PeerState>
    /** The state of `peer`, made new when it has none. */
    readonly open: (peer: Peer) => Effect.Effect<PeerState>
    /** Forgets `state`, unless its peer has been given another since. */
    readonly close: (state: PeerState) => Effect.Effect<void>
    /** Asks for rounds with whoever `from` names, or with all when it names nobody known. */
    readonly wake: (from: {
      readonly nodeId: string | undefined
      readonly endpoint: string | undefined
    }) => Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.sync(PeerStates, () => {
    const states = new Map<string, PeerState>()
    return PeerStates.of({
      all: () => [...states.values()],
      open: (peer) =>
        Effect.tap(make(peer), (state) => Effect.sync(() => states.set(peer.url.href, state))),
      close: (state) =>
        Effect.sync(() => {
          const { href } = state.peer.url
          if (states.get(href) === state) states.delete(href)
        }),
      wake: ({ endpoint, nodeId }) =>
        Effect.suspend(() => {
          const all = [...states.values()]
          const named = all.filter(({ peer }) => peer.id === nodeId || peer.url.href === endpoint)
          return Effect.forEach(named.length > 0 ? named : all, ({ wake }) =>
            Queue.offer(wake, undefined)
          )
        })
    })
  })
}
