/**
 * Finds the cluster at the start, from the file and then from what the zone holds, and watches
 * over the manifest afterwards: a changed file is read again, a coming expiry is said early.
 */
import { Effect, Either, Layer, Option, Schedule } from "effect"
import { readFile } from "node:fs/promises"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Hostname from "../dmp/Hostname.ts"
import * as Name from "../wire/Name.ts"
import { Publisher } from "../zone/Publisher.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import * as ClusterFile from "./ClusterFile.ts"
import { ManifestInstall } from "./ManifestInstall.ts"
import { PeerList } from "./PeerList.ts"
import { PeersConfig } from "./PeersConfig.ts"
import { Reload } from "./Reload.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Largest cluster file read, octets; 32 nodes take some 4 kB. */
const maxFile = 65_536
/** Days before its expiry at which a manifest is warned about; at 0 it is over. */
const warnings = [30, 7, 1, 0]
const day = 86_400

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const config = yield* PeersConfig
    const install = yield* ManifestInstall
    const peers = yield* PeerList
    const publisher = yield* Publisher
    const reload = yield* Reload
    const pinned = Option.isSome(config.operatorSpk)

    /** What was in effect before stays so. */
    const refused = (held: string) =>
      Effect.as(
        Effect.logWarning(`${config.clusterFile} holds ${held}: what was in effect stays`),
        `refused, ${held}`
      )

    /** Without a pinned key the operator's own file is believed for its looks. */
    const publishUnpinned = (wire: string) =>
      Effect.gen(function* () {
        const now = yield* UnixTime.now
        const read = ClusterManifest.parse(wire)
        if (Either.isLeft(read) || read.right.nodes.length === 0 || read.right.exp <= now)
          return yield* refused("no manifest that can be used")
        const { clusterName, exp, nodes, seq } = read.right
        const owner = Name.parse(`cluster.${Hostname.folded(clusterName)}`)
        if (Option.isNone(owner)) return yield* refused("the manifest of an impossible cluster")
        yield* publisher
          .apply({
            grant: new WriteGrant({
              subject: "cluster file",
              allows: (_, at) => at === owner.value,
              mayShorten: false,
              ignoresTtlCap: true
            }),
            changes: [{ _tag: "Add", record: { owner: owner.value, value: wire, ttl: exp - now } }]
          })
          .pipe(
            Effect.catchAll((error) =>
              Effect.logWarning(`the manifest of ${config.clusterFile} was refused: ${error._tag}`)
            )
          )
        if (config.syncPeers.length === 0) yield* peers.replace(nodes)
        return `manifest ${seq} of ${clusterName}, published as it is: no key is pinned`
      })

    /** Yields what it found. */
    const readIt = (setsPeers: boolean) =>
      Effect.gen(function* () {
        const octets = yield* Effect.option(Effect.tryPromise(() => readFile(config.clusterFile)))
        if (Option.isNone(octets)) return "there is none"
        const file =
          octets.value.length > maxFile
            ? Option.none()
            : ClusterFile.parse(octets.value.toString("utf8"))
        if (Option.isNone(file)) return yield* refused("no cluster file")
        if (file.value._tag === "Nodes") {
          const counts = config.syncPeers.length === 0 && Option.isNone(install.installed())
          if (counts && !(yield* peers.replace(file.value.nodes)))
            return yield* refused("no node that can be a peer")
          return counts
            ? `a list of ${file.value.nodes.length} nodes`
            : "a list of nodes, which gives way to settings and manifest"
        }
        if (!pinned) return yield* publishUnpinned(file.value.wire)
        const result = yield* install.offer(file.value.wire, config.clusterFile, { setsPeers })
        return result === "installed" || result === "older"
          ? `the manifest is ${result === "installed" ? "installed" : "the one in effect, or older"}`
          : yield* refused(`a manifest that is refused (${result})`)
      })

    // Peers named in the settings win over a file that was there before them.
    yield* readIt(config.syncPeers.length === 0)
    yield* install.offerStored
    yield* reload.register("the cluster file", readIt(true), config.clusterFile)

    let warned = Infinity
    let watched: bigint | undefined
    yield* Effect.gen(function* () {
      const current = install.installed()
      if (Option.isNone(current)) return
      const { exp, seq } = current.value.manifest
      if (watched !== seq) {
        watched = seq
        warned = Infinity
      }
      const left = exp - (yield* UnixTime.now)
      const due = warnings.filter((days) => left <= days * day && days < warned).at(-1)
      if (due === undefined) return
      warned = due
      yield* left <= 0
        ? Effect.logError("the cluster manifest has expired: peers stay, but no new node joins")
        : Effect.logWarning(
            `the cluster manifest expires in ${Math.ceil(left / day)} days; sign and install a new one`
          )
    }).pipe(Effect.repeat(Schedule.spaced("1 hour")), Effect.forkScoped)
  }).pipe(Effect.annotateLogs({ logger: "dmp.server.cluster" }))
)
