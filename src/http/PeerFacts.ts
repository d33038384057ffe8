/** `NodeFacts` of a node that knows others: by heartbeats, by its cluster, or both. */
import { Effect, Layer, Option } from "effect"
import { Gossip } from "../peers/Gossip.ts"
import { isInCluster, PeersConfig } from "../peers/PeersConfig.ts"
import { SyncServer } from "../peers/SyncServer.ts"
import { NodeFacts } from "./NodeFacts.ts"

/** Nodes shown at most. */
const shown = 500

/** `version` is what this node's heartbeat announces. */
export const layer = (version: string) =>
  Layer.effect(
    NodeFacts,
    Effect.gen(function* () {
      const gossip = yield* Gossip
      const config = yield* PeersConfig
      const sync = yield* SyncServer
      return {
        own: Option.map(gossip.own, ({ endpoint, operatorSpkHex }) => ({
          endpoint,
          operatorSpk: operatorSpkHex,
          version
        })),
        peers: gossip.seen(shown).pipe(
          Effect.map((rows) =>
            rows.map(({ endpoint, operatorSpkHex, ts, version }) => ({
              endpoint,
              operatorSpk: operatorSpkHex,
              version,
              heardAt: ts
            }))
          ),
          // A page without its table is better than none.
          Effect.orElseSucceed(() => [])
        ),
        cluster: isInCluster(config) ? Effect.map(sync.status, Option.some) : Effect.succeedNone
      }
    })
  )
