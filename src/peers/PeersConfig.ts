/** Which cluster this node belongs to, who its peers are and how they prove themselves. */
import { Config, type ConfigError, Context, Either, Layer, Option, type Redacted } from "effect"
import { isLowOrder } from "../dmp/Ed25519.ts"
import * as NodeCertificate from "../dmp/NodeCertificate.ts"
import * as NetworkSetting from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"
import * as NodeIdentity from "./NodeIdentity.ts"
import * as PeerTokens from "./PeerTokens.ts"
import * as PeerUrl from "./PeerUrl.ts"

/** 32 octets as 64 hex digits, if they are a key that can sign. */
const parseSpk = (text: string): Option.Option<Uint8Array> =>
  /^[0-9a-f]{64}$/i.test(text)
    ? Option.filter(Option.some<Uint8Array>(Buffer.from(text, "hex")), (key) => !isLowOrder(key))
    : Option.none()

export const settings = {
  clusterFile: Setting.path("DMP_CLUSTER_FILE", {
    about:
      "File with the cluster manifest: the record itself, JSON with it as `wire`, or JSON with a list of `nodes`. Read again when it changes.",
    aliases: ["DMP_CLUSTER_MANIFEST_PATH"],
    default: "/var/lib/dmp/cluster.json"
  }),
  nodeId: Setting.optionalText("DMP_NODE_ID", {
    about: "This node's id in the cluster manifest, so that it does not take itself for a peer."
  }),
  syncPeers: Setting.list("DMP_SYNC_PEERS", {
    about: "Base URLs of the peers to replicate with; wins over the cluster file and manifests.",
    items: "http or https URLs such as http://node-b:8053",
    parseItem: PeerUrl.parse
  }),
  syncToken: Setting.secret("DMP_SYNC_PEER_TOKEN", {
    about: "Token this node shows to its peers and accepts from them."
  }),
  acceptedSyncTokens: Setting.secret("DMP_SYNC_ACCEPTED_TOKENS", {
    about: "Further tokens accepted from peers, comma-separated, while one is being replaced."
  }),
  peerTokens: Setting.parsed("DMP_SYNC_PEER_TOKENS", {
    about:
      "Tokens shown to single peers instead of the shared one: a node's id or base URL, and the token.",
    accepts:
      "comma-separated peer=token, each peer once, tokens of 8 or more printable characters without comma",
    defaultText: "(none)",
    secret: true,
    parse: (text) => Option.filter(PeerTokens.parse(text), (tokens) => !PeerTokens.repeats(tokens)),
    fallback: (): ReadonlyArray<PeerTokens.PeerToken> => []
  }),
  acceptedPeerTokens: Setting.parsed("DMP_SYNC_ACCEPTED_PEER_TOKENS", {
    about:
      "Tokens accepted from single peers, each with the name it is counted and logged under. A name may have several while one is being replaced.",
    accepts: "comma-separated name=token, tokens of 8 or more printable characters without comma",
    defaultText: "(none)",
    secret: true,
    parse: PeerTokens.parse,
    fallback: (): ReadonlyArray<PeerTokens.PeerToken> => []
  }),
  nodeIdentity: Setting.parsed("DMP_SYNC_NODE_IDENTITY", {
    about:
      "Key this node signs its sync requests with, and the operator's certificate for it, as `cluster certify` writes them.",
    accepts: "64 hex digits, a space and the certificate for that key",
    defaultText: "(none)",
    secret: true,
    parse: (text) => Option.map(NodeIdentity.parse(text), Option.some),
    fallback: (): Option.Option<NodeIdentity.NodeIdentity> => Option.none()
  }),
  syncAuth: Setting.literal("DMP_SYNC_AUTH", {
    about:
      "How sync requests prove who makes them. auto: signed where the peer takes that, and from then on never with a token to it; signed: in no other way, made or accepted; bearer: requests are made with tokens only.",
    values: ["auto", "signed", "bearer"],
    default: "auto"
  }),
  syncInterval: Setting.seconds("DMP_SYNC_INTERVAL", {
    about: "Seconds between rounds with a peer that has nothing new to say.",
    aliases: ["DMP_SYNC_INTERVAL_SECONDS"],
    min: 0.1,
    max: 86_400,
    default: 10
  }),
  reconcileInterval: Setting.seconds("DMP_SYNC_RECONCILE_INTERVAL", {
    about:
      "Seconds between comparisons of the whole store with each peer; with peers that cannot compare, between reads of all they have.",
    min: 1,
    max: 604_800,
    default: 900
  }),
  operatorSpk: Setting.optional("DMP_SYNC_OPERATOR_SPK", {
    about:
      "Public key that cluster manifests must be signed with. Without it no manifest changes the peers.",
    accepts: "an Ed25519 public key as 64 hex digits",
    parse: parseSpk
  }),
  selfEndpoint: Setting.optional("DMP_SYNC_SELF_ENDPOINT", {
    about: "Base URL at which peers reach this node, so that it does not take itself for a peer.",
    accepts: "an http or https URL such as http://node-a:8053",
    parse: PeerUrl.parse
  }),
  importZones: Setting.literal("DMP_SYNC_ZONES", {
    about:
      "Which owner names are taken over from peers: those in the zones this node serves, or any. A node without a zone takes any.",
    values: ["served", "any"],
    default: "served"
  }),
  syncRate: Setting.number("DMP_SYNC_RATE", {
    about: "Sync requests per second and peer address; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 200
  }),
  syncBurst: Setting.number("DMP_SYNC_BURST", {
    about: "Sync requests a peer address may send at once; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 1000
  }),
  syncCompress: Setting.literal("DMP_SYNC_COMPRESS", {
    about:
      "Ask peers to pack their replies (gzip): little more than half the octets for some 10 µs of processor a row on either side. auto: those with https URLs, which are not on one private network.",
    values: ["auto", "on", "off"],
    default: "auto"
  }),
  syncHosts: NetworkSetting.bindHosts("DMP_SYNC_HOST", {
    about: "Addresses on which the sync routes listen, when DMP_SYNC_PORT moves them."
  }),
  syncPort: Setting.optional("DMP_SYNC_PORT", {
    about: "Port of a listener for the sync routes alone; they then leave the public one.",
    accepts: "a port number from 0 to 65535",
    parse: (text) =>
      /^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535
        ? Option.some(Number(text))
        : Option.none()
  })
}

export interface PeersConfigShape {
  readonly clusterFile: string
  readonly nodeId: Option.Option<string>
  readonly syncPeers: ReadonlyArray<PeerUrl.PeerUrl>
  /** This one and the three that follow may change while the node runs: read them when needed. */
  readonly syncToken: Option.Option<Redacted.Redacted<string>>
  /** Comma-separated. */
  readonly acceptedSyncTokens: Option.Option<Redacted.Redacted<string>>
  readonly peerTokens: ReadonlyArray<PeerTokens.PeerToken>
  readonly acceptedPeerTokens: ReadonlyArray<PeerTokens.PeerToken>
  readonly nodeIdentity: Option.Option<NodeIdentity.NodeIdentity>
  readonly syncAuth: "auto" | "signed" | "bearer"
  /** Seconds. */
  readonly syncInterval: number
  /** Seconds. */
  readonly reconcileInterval: number
  /** 32 octets. */
  readonly operatorSpk: Option.Option<Uint8Array>
  readonly selfEndpoint: Option.Option<PeerUrl.PeerUrl>
  readonly importZones: "served" | "any"
  /** Tokens per second and address; 0 lifts the limit. */
  readonly syncRate: number
  readonly syncBurst: number
  readonly syncCompress: "auto" | "on" | "off"
  readonly syncHosts: ReadonlyArray<string>
  readonly syncPort: Option.Option<number>
}

/** Why the identity cannot be what this node signs with, if so. */
const identityProblem = ({ nodeId, nodeIdentity, operatorSpk, syncAuth }: PeersConfigShape) => {
  const refused = (name: string, problem: string): Option.Option<ConfigError.ConfigError> =>
    Option.some(Setting.mistake(name, problem))
  if (Option.isNone(nodeIdentity))
    return syncAuth === "signed"
      ? refused("DMP_SYNC_AUTH", "signed needs DMP_SYNC_NODE_IDENTITY")
      : Option.none()
  const identity = nodeIdentity.value
  if (Option.isNone(operatorSpk))
    return refused("DMP_SYNC_NODE_IDENTITY", "needs DMP_SYNC_OPERATOR_SPK, which signed it")
  if (Either.isLeft(NodeCertificate.verify(identity.certificate, operatorSpk.value)))
    return refused(
      "DMP_SYNC_NODE_IDENTITY",
      "the certificate is not signed by the key of DMP_SYNC_OPERATOR_SPK"
    )
  return Option.exists(nodeId, (id) => id !== identity.nodeId)
    ? refused("DMP_NODE_ID", `the identity is that of ${identity.nodeId}`)
    : Option.none()
}

export const config: Config.Config<PeersConfigShape> = Setting.all(settings).pipe(
  Config.mapOrFail((read) => {
    const shape: PeersConfigShape = {
      ...read,
      // A node that has proof of its name goes by it.
      nodeId: Option.orElse(read.nodeId, () => Option.map(read.nodeIdentity, (of) => of.nodeId))
    }
    return Option.match(identityProblem(shape), {
      onNone: () => Either.right(shape),
      onSome: Either.left
    })
  })
)

/** True when this node has something to prove itself with to others. */
export const isInCluster = ({ nodeIdentity, peerTokens, syncToken }: PeersConfigShape): boolean =>
  Option.isSome(syncToken) || peerTokens.length > 0 || Option.isSome(nodeIdentity)

export class PeersConfig extends Context.Tag("dnsmesh/peers/PeersConfig")<
  PeersConfig,
  PeersConfigShape
>() {
  static readonly layer = Layer.effect(PeersConfig, config)
}
