/** A released node as a peer, in both directions, with everything that used to stop such pairs. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { PeerStates } from "../../src/peers/PeerState.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import * as Cluster from "./ClusterNode.ts"
import { ReleasedNode } from "./ReleasedNode.ts"

const released = (overCount?: (request: number) => boolean) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const node = new ReleasedNode(Cluster.token, overCount)
      return { node, port: await node.listen() }
    }),
    ({ node }) => Effect.promise(() => node.close())
  )

const ours = (port: number) =>
  Effect.flatMap(Cluster.newDisk, (disk) =>
    Cluster.start({
      disk,
      peers: Cluster.peersConfig({
        syncInterval: 0.2,
        syncPeers: [Cluster.url(`http://127.0.0.1:${port}`)]
      })
    })
  )

/** An owner name of a hundred characters; three values each. */
const owner = (side: string, at: number) =>
  `${`${side}${Math.floor(at / 3)}-`.padEnd(50, "n")}.${"x".repeat(37)}.example.org`
const rows = (side: string) =>
  Array.from({ length: 2000 }, (_, at) => ({ name: owner(side, at), value: `value ${side} ${at}` }))
const keyed = (all: ReadonlyArray<{ readonly name: string; readonly value: string }>) =>
  all.map(({ name, value }) => `${name} ${valueHash(value)}`)

/** What a released node may hold and none would take from another. */
const unfit = (side: string) => [
  { name: "_dnsmesh-heartbeat.example.org", value: `v=dmp1;t=heartbeat;${side}` },
  { name: "_dnsmesh-seen.example.org", value: `v=dmp1;t=heartbeat;seen${side}` },
  { name: "aaa.example.org", value: `v=dmp2;t=later;${side}` },
  { name: "claim-0.mb-0123456789ab.example.org", value: `v=dmp1;t=claim;${side}` }
]

describe("a released node as a peer", () => {
  it.scopedLive(
    "gives what it has and gets what we have: 2000 rows each, and unfit ones",
    () =>
      Effect.gen(function* () {
        const { node: peer, port } = yield* released()
        for (const { name, value } of [...unfit("theirs"), ...rows("theirs")])
          peer.put(name, value, 600)
        const node = yield* ours(port)
        // Everything unfit stands at the head, where the other's watermark would stop for good.
        for (const { name, value } of unfit("ours")) yield* node.publish(name, value)
        yield* Effect.forEach(rows("ours"), ({ name, value }) => node.publish(name, value), {
          concurrency: 128,
          discard: true
        })
        const both = keyed([...rows("theirs"), ...rows("ours")])
        yield* Cluster.eventually(
          Effect.zipRight(
            Effect.promise(() => peer.tick(node.port)),
            Effect.map(
              node.holdings,
              (held) =>
                both.every((row) => held.includes(row)) &&
                rows("ours").every(({ name, value }) => peer.ttlOf(name, value) !== undefined)
            )
          ).pipe(Effect.delay("20 millis")),
          30_000
        )
        // Neither took, nor waits for, what the other could not give away.
        const all = (side: string) => [...keyed(unfit(side)), ...both].sort()
        assert.deepStrictEqual(peer.holdings, all("theirs"))
        assert.deepStrictEqual(yield* node.holdings, all("ours"))
        assert.strictEqual(peer.rejected, 0)
        assert.isTrue(peer.requests.every(({ bytes }) => bytes <= 16_384))
        assert.isEmpty(peer.requests.filter(({ path }) => /deletions|hint|fingerprint/.test(path)))
      }),
    60_000
  )

  it.scopedLive("and hears of a longer life, as we do of one there", () =>
    Effect.gen(function* () {
      const { node: peer, port } = yield* released()
      const node = yield* ours(port)
      const [theirs, own] = ["theirs.example.org", "own.example.org"]
      peer.put(theirs, "x", 100)
      yield* node.publish(own, "x", 100)
      const lives = Effect.gen(function* () {
        yield* Effect.promise(() => peer.tick(node.port))
        return {
          here: yield* node.secondsLeft(theirs, "x"),
          there: peer.ttlOf(own, "x") ?? 0
        }
      })
      const both = (above: number) =>
        Cluster.eventually(
          Effect.map(lives, ({ here, there }) => here > above && there > above).pipe(
            Effect.delay("20 millis")
          )
        )
      yield* both(90)
      peer.put(theirs, "x", 1000)
      yield* node.publish(own, "x", 1000)
      yield* both(990)
    })
  )

  it.scopedLive(
    "that counts requests is asked again when it has some to spare",
    () =>
      Effect.gen(function* () {
        const { node: peer, port } = yield* released((request) => request % 4 === 3)
        for (const { name, value } of rows("theirs")) peer.put(name, value, 600)
        const node = yield* ours(port)
        const states = Context.get(node.context, PeerStates)
        let mostFailures = 0
        yield* Cluster.eventually(
          Effect.map(node.holdings, (held) => {
            for (const { failures } of states.all()) mostFailures = Math.max(mostFailures, failures)
            return held.length === 2000
          }),
          30_000
        )
        assert.isAtLeast(peer.requests.filter(({ status }) => status === 429).length, 1)
        assert.strictEqual(mostFailures, 0)
      }),
    60_000
  )
})
