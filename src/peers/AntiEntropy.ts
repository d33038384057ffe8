/**
 * Keeps this node and its peers alike: one fiber per peer, each at its own pace, so a slow or
 * broken peer holds up nobody. A round follows the interval, a hint, or a round that left
 * something behind; a failing peer is asked less and less often.
 */
import { Clock, Effect, FiberMap, Layer, Queue, Random, Schedule, Stream } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import { type DialogueError, make as makeDialogue } from "./PeerDialogue.ts"
import { sender } from "./Hints.ts"
import { PeerList } from "./PeerList.ts"
import type { Peer } from "./Peer.ts"
import * as PeerRound from "./PeerRound.ts"
import { isInCluster, PeersConfig } from "./PeersConfig.ts"
import { type PeerState, PeerStates } from "./PeerState.ts"
import * as SyncMetrics from "./SyncMetrics.ts"
import { SyncRequests } from "./SyncRequests.ts"
import { SyncState } from "./SyncState.ts"

/** Longest pause after failures, ms, unless the interval itself is longer. */
const longestPause = 60_000
/** Clock differences worth a warning, ms. */
const worthWarning = 30_000

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const config = yield* PeersConfig
    const list = yield* PeerList
    const states = yield* PeerStates
    const requests = yield* SyncRequests
    const syncState = yield* SyncState
    const round = yield* PeerRound.make
    yield* SyncMetrics.register
    if (!isInCluster(config)) {
      const peers = yield* list.current
      if (peers.length > 0)
        yield* Effect.logWarning(
          "there are peers but no DMP_SYNC_PEER_TOKEN: nothing is replicated from them"
        )
      return
    }
    const interval = config.syncInterval * 1000

    const pause = (state: PeerState) =>
      Effect.map(Random.nextRange(0.8, 1.2), (jitter) => {
        const backedOff = interval * 2 ** Math.min(16, state.failures)
        return jitter * Math.min(backedOff, Math.max(interval, longestPause))
      })

    /** Whoever found this node away must not wait for its next turn to find it back. */
    const greet = (state: PeerState) =>
      Effect.ignore(makeDialogue(requests, state.peer).hint(sender(config)))

    const once = (state: PeerState) =>
      round(makeDialogue(requests, state.peer), state).pipe(
        Effect.matchCauseEffect({
          onSuccess: ({ caughtUp }) =>
            Effect.gen(function* () {
              const isNews = state.caughtUpAt === 0 || state.failures > 0
              yield* succeeded(state, caughtUp)
              if (isNews && caughtUp && state.extensions.has("hint")) yield* greet(state)
              return caughtUp
            }),
          onFailure: (cause) =>
            Effect.zipRight(
              failed(state, cause._tag === "Fail" ? messageOf(cause.error) : "a defect"),
              cause._tag === "Die"
                ? Effect.logError(`a round with ${state.peer.id} met a defect`, cause)
                : Effect.succeed(true)
            ).pipe(Effect.as(true))
        })
      )

    const goOn = (state: PeerState) =>
      Effect.gen(function* () {
        const known = (yield* syncState.watermarks).find(
          (mark) => mark.peer === state.peer.url.href
        )
        if (known !== undefined) {
          state.cursor = known
          state.deletionsSeen = known.deletionsSeen
        }
        while (true) {
          const caughtUp = yield* once(state)
          if (!caughtUp) continue
          yield* Queue.take(state.wake).pipe(
            Effect.timeoutOption(yield* pause(state)),
            Effect.asVoid
          )
        }
      })
    const leave = (state: PeerState) =>
      // Nobody lags behind a peer that is none any more: a last value would stand for good.
      Effect.zipRight(states.close(state), SyncMetrics.peerGone(state.peer.id))
    const follow = (peer: Peer) =>
      Effect.acquireUseRelease(states.open(peer), goOn, leave).pipe(
        Effect.retry(Schedule.spaced("5 seconds")),
        Effect.annotateLogs({ peer: peer.id })
      )

    const fibers = yield* FiberMap.make<string>()
    const followed = new Map<string, Peer>()
    const adjust = (peers: ReadonlyArray<Peer>) =>
      Effect.gen(function* () {
        const wanted = new Set(peers.map(({ url }) => url.href))
        for (const href of followed.keys())
          if (!wanted.has(href)) {
            followed.delete(href)
            yield* FiberMap.remove(fibers, href)
            // Its rows may have changed hands by the time it is a peer again.
            yield* Effect.ignoreLogged(syncState.forgetWatermark(href))
            yield* requests.forget(href)
          }
        for (const peer of peers)
          if (followed.get(peer.url.href)?.id !== peer.id) {
            followed.set(peer.url.href, peer)
            yield* FiberMap.run(fibers, peer.url.href, follow(peer))
          }
        yield* SyncMetrics.peerCount(peers.length)
        yield* Effect.logInfo(
          `replicating with ${peers.length === 0 ? "nobody" : peers.map(({ id }) => id).join(", ")}`
        )
      })
    yield* list.changes.pipe(Stream.runForEach(adjust), Effect.forkScoped)
    yield* Effect.suspend(() => Effect.forEach(states.all(), report, { discard: true })).pipe(
      Effect.repeat(Schedule.spaced("5 seconds")),
      Effect.forkScoped
    )
  }).pipe(Effect.annotateLogs({ logger: "dmp.server.anti_entropy" }))
)

const succeeded = (state: PeerState, caughtUp: boolean) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (state.failures > 0) yield* Effect.logInfo(`${state.peer.id} answers again`)
    state.failures = 0
    state.lastError = ""
    if (caughtUp) state.caughtUpAt = now
    const offset = state.clockOffset ?? 0
    if (Math.abs(offset) > worthWarning && !state.warnedOfClock) {
      state.warnedOfClock = true
      yield* Effect.logWarning(
        `the clock of ${state.peer.id} is ${Math.abs(Math.round(offset / 1000))} s ${offset > 0 ? "ahead of" : "behind"} this node's`
      )
    }
    yield* SyncMetrics.round(state.peer.id, "ok")
    return caughtUp
  })

const failed = (state: PeerState, message: string) =>
  Effect.gen(function* () {
    state.failures++
    // Once is news; that it goes on is in the metrics.
    if (state.failures === 1)
      yield* Effect.logWarning(`a round with ${state.peer.id} failed: ${message}`)
    state.lastError = message
    yield* SyncMetrics.round(state.peer.id, "failed")
  })

const messageOf = (error: DialogueError | StoreError): string => {
  switch (error._tag) {
    case "AddressRefused":
      return `the address ${error.address} of ${error.host} is not one to connect to`
    case "ReplyTooLarge":
      return `the reply has more than ${error.cap} octets`
    case "PeerFault":
      return error.status === 403
        ? "it refuses our sync token or signature (status 403)"
        : error.message
    case "NoCredential":
      return error.message
    case "StoreError":
      return `our own store: ${error.reason}`
    case "PeerUnreachable":
      return error.message
  }
}

const report = (state: PeerState) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    SyncMetrics.peer(state.peer.id, {
      lag: (now - (state.caughtUpAt === 0 ? state.openedAt : state.caughtUpAt)) / 1000,
      lastSuccess: state.caughtUpAt / 1000,
      clockOffset: (state.clockOffset ?? 0) / 1000,
      quarantined: state.quarantine.size
    })
  )
