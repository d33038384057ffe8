/**
 * Tells the other nodes that there is something new, so that they ask at once instead of at
 * their next round. Best effort: who misses a hint learns the same a little later.
 */
import { Duration, Effect, Layer, Option, Queue } from "effect"
import { ChangeFeed } from "../zone/ChangeFeed.ts"
import { Importer } from "./Importer.ts"
import { make as makeDialogue } from "./PeerDialogue.ts"
import type { Peer } from "./Peer.ts"
import { isInCluster, PeersConfig, type PeersConfigShape } from "./PeersConfig.ts"
import { PeerStates } from "./PeerState.ts"
import * as SyncMetrics from "./SyncMetrics.ts"
import { SyncRequests } from "./SyncRequests.ts"

/** Writes of a moment make one hint. */
const gather = Duration.millis(30)
/** What came from a peer is no news to most; only those it could not reach need to hear. */
const relayGather = Duration.millis(500)

/** Who this node is to those it tells. */
export const sender = ({ nodeId, selfEndpoint }: PeersConfigShape) => ({
  ...Option.match(nodeId, { onNone: () => ({}), onSome: (id) => ({ node_id: id }) }),
  ...Option.match(selfEndpoint, {
    onNone: () => ({}),
    onSome: ({ href }) => ({ endpoint: href })
  })
})

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const config = yield* PeersConfig
    const feed = yield* ChangeFeed
    const importer = yield* Importer
    const requests = yield* SyncRequests
    const states = yield* PeerStates
    if (!isInCluster(config)) return
    const from = sender(config)
    const written = yield* Queue.sliding<void>(1)
    const relayed = yield* Queue.sliding<void>(1)
    yield* feed.subscribe(({ cause, changes }) => {
      if (cause === "expiry") return
      const own = changes.some((change) =>
        change._tag === "Put"
          ? !importer.isImport(change.row.owner, change.row.value)
          : !importer.isImport(change.owner, change.value)
      )
      if (own) written.unsafeOffer(undefined)
      else relayed.unsafeOffer(undefined)
    })

    /** Peers being told, and whether there has been more to tell since. */
    const inFlight = new Map<string, boolean>()
    const tell = (peer: Peer): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { href } = peer.url
        if (inFlight.has(href)) {
          inFlight.set(href, true)
          return Effect.void
        }
        inFlight.set(href, false)
        let again = false
        return makeDialogue(requests, peer)
          .hint(from)
          .pipe(
            Effect.matchEffect({
              onSuccess: () => SyncMetrics.hint("sent"),
              onFailure: () => SyncMetrics.hint("failed")
            }),
            Effect.ensuring(Effect.sync(() => void (again = inFlight.get(href) ?? false))),
            Effect.ensuring(Effect.sync(() => void inFlight.delete(href))),
            Effect.zipRight(Effect.suspend(() => (again ? tell(peer) : Effect.void)))
          )
      })
    const tellAll = Effect.suspend(() =>
      Effect.forEach(
        states.all().filter(({ extensions, failures }) => extensions.has("hint") && failures === 0),
        ({ peer }) => tell(peer),
        { concurrency: "unbounded", discard: true }
      )
    )
    const tellAfter = (queue: Queue.Dequeue<void>, wait: Duration.Duration) =>
      Queue.take(queue).pipe(
        Effect.zipRight(Effect.sleep(wait)),
        // What was written while gathering is part of this hint.
        Effect.zipRight(Queue.takeAll(queue)),
        Effect.zipRight(Effect.fork(tellAll)),
        Effect.forever,
        Effect.forkScoped
      )
    yield* tellAfter(written, gather)
    yield* tellAfter(relayed, relayGather)
  })
)
