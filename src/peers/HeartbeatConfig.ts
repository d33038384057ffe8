/** Whether and how this node shows itself to strangers and looks for them. */
import { Config, Context, Layer, Option } from "effect"
import { isIP } from "node:net"
import * as Endpoint from "../dmp/Endpoint.ts"
import * as Setting from "../runtime/Setting.ts"
import * as Name from "../wire/Name.ts"
import * as PeerUrl from "./PeerUrl.ts"
import * as Upstream from "./Upstream.ts"

/** A zone, or the host of a URL, which older settings named instead. */
export const parseSeed = (text: string): Option.Option<Name.Name> => {
  const afterScheme = /^[a-z]+:\/\/([^/?#]*)/i.exec(text)?.[1] ?? text
  const host = afterScheme.replace(/:[0-9]*$/, "")
  // An address is no zone: nothing could be asked there.
  return isIP(host) !== 0 || host.startsWith("[") ? Option.none() : Name.parse(host)
}

const httpsUrl = (text: string): Option.Option<PeerUrl.PeerUrl> =>
  Option.filter(PeerUrl.parse(text), ({ secure }) => secure)

export const settings = {
  enabled: Setting.boolean("DMP_HEARTBEAT_ENABLED", {
    about: "Publish a signed heartbeat and look for other nodes.",
    default: false
  }),
  selfEndpoint: Setting.optional("DMP_HEARTBEAT_SELF_ENDPOINT", {
    about: "Public URL of this node, which its heartbeat announces.",
    accepts: "a public URL such as https://node.example.com, without path or trailing slash",
    parse: Option.liftPredicate(Endpoint.strict)
  }),
  keyPath: Setting.optionalPath("DMP_HEARTBEAT_OPERATOR_KEY_PATH", {
    about: "File with the operator's Ed25519 seed: 32 raw bytes or 64 hex digits."
  }),
  seeds: Setting.list("DMP_HEARTBEAT_SEEDS", {
    about: "Zones to ask for heartbeats.",
    inFile: true,
    items: "zones such as mesh.example.org",
    parseItem: parseSeed
  }),
  resolvers: Setting.list("DMP_HEARTBEAT_DNS_RESOLVERS", {
    about:
      "DNS servers asked for heartbeats, in order. tls:// before one asks it over TLS; its certificate must name the address, or what follows a #, as in tls://[2001:db8::1]:853#dns.example.net.",
    items:
      "IP addresses with or without port, IPv6 in brackets when it has one, tls:// before and #name after it for DNS over TLS",
    parseItem: Upstream.parse,
    defaultText: "(the system's)"
  }),
  resolversCa: Setting.optionalPath("DMP_HEARTBEAT_DNS_CA_PATH", {
    about:
      "File with the certificate authorities (PEM) that vouch for DNS servers asked over TLS, where they are not those browsers know."
  }),
  dnssecRequired: Setting.boolean("DMP_HEARTBEAT_DNSSEC_REQUIRED", {
    about: "Believe only answers that the resolver marks as validated (AD).",
    default: false
  }),
  seedUrls: Setting.list("DMP_HEARTBEAT_PUBLIC_SEED_URLS", {
    about: "Public lists of zones to ask. None is fetched unless it is named here.",
    items: "https URLs",
    parseItem: httpsUrl
  }),
  seedUrlsDisabled: Setting.boolean("DMP_HEARTBEAT_PUBLIC_SEED_URLS_DISABLED", {
    about: "Fetch no public list although some are named.",
    aliases: ["DMP_HEARTBEAT_PUBLIC_SEEDS_DISABLED"],
    default: false
  }),
  interval: Setting.integer("DMP_HEARTBEAT_INTERVAL_SECONDS", {
    about:
      "Seconds between heartbeats and looks at other zones. Readers take a heartbeat for 300 seconds, so more than 100 counts as 100.",
    min: 1,
    max: 86_400,
    default: 100
  }),
  ttl: Setting.integer("DMP_HEARTBEAT_TTL_SECONDS", {
    about: "Seconds for which a heartbeat is valid.",
    min: 60,
    max: 2_592_000,
    default: 86_400
  }),
  maxPeers: Setting.integer("DMP_HEARTBEAT_MAX_PEERS", {
    about: "Zones asked in one round.",
    min: 1,
    max: 1000,
    default: 25
  }),
  seenMaxRows: Setting.integer("DMP_HEARTBEAT_SEEN_MAX_ROWS", {
    about: "Heartbeats of other nodes kept.",
    min: 1,
    max: 1_000_000,
    default: 10_000
  }),
  retentionHours: Setting.integer("DMP_HEARTBEAT_RETENTION_HOURS", {
    about: "Hours for which an expired heartbeat is kept.",
    min: 0,
    max: 8760,
    default: 72
  }),
  pinDays: Setting.integer("DMP_HEARTBEAT_PIN_DAYS", {
    about:
      "Days for which a zone is known by the operator keys it was first seen with, after those were last seen.",
    min: 1,
    max: 3650,
    default: 30
  }),
  version: Setting.optional("DMP_HEARTBEAT_VERSION", {
    about: "Version the heartbeat announces.",
    defaultText: "(the release)",
    accepts: "at most 32 printable ASCII characters",
    parse: Option.liftPredicate((text: string) => /^[\x21-\x7e]{1,32}$/.test(text))
  }),
  withdrawOnExit: Setting.boolean("DMP_HEARTBEAT_WITHDRAW_ON_EXIT", {
    about:
      "Take this node's heartbeat out of the zone when it is told to end. For a node that goes for good; one that comes back soon is missed by nobody.",
    default: false
  }),
  legacyHttp: Setting.boolean("DMP_LEGACY_HTTP", {
    about: "Serve the HTTP routes of releases 0.2 to 0.4: heartbeat, nodes seen, info, claims.",
    default: false
  })
}

export interface HeartbeatConfigShape {
  readonly enabled: boolean
  readonly selfEndpoint: Option.Option<string>
  readonly keyPath: Option.Option<string>
  /** May change while the node runs. */
  readonly seeds: ReadonlyArray<Name.Name>
  /** The system's when empty. */
  readonly resolvers: ReadonlyArray<Upstream.Upstream>
  readonly resolversCa: Option.Option<string>
  readonly dnssecRequired: boolean
  readonly seedUrls: ReadonlyArray<PeerUrl.PeerUrl>
  /** Seconds, at most 100. */
  readonly interval: number
  /** Seconds. */
  readonly ttl: number
  readonly maxPeers: number
  readonly seenMaxRows: number
  readonly retentionHours: number
  readonly pinDays: number
  readonly version: Option.Option<string>
  readonly withdrawOnExit: boolean
  readonly legacyHttp: boolean
}

/** Above this a released node that asks at its own pace would find a heartbeat too old. */
const longestInterval = 100

export const config: Config.Config<HeartbeatConfigShape> = Setting.all(settings).pipe(
  Config.map(({ seedUrlsDisabled, ...read }) => ({
    ...read,
    seedUrls: seedUrlsDisabled ? [] : read.seedUrls,
    interval: Math.min(longestInterval, read.interval)
  }))
)

/** Characters a heartbeat has for its zone. */
const longestZone = 64

/** Why no heartbeat could name the served zone, if so: readers would look for the node elsewhere. */
export const zoneProblem = (
  enabled: boolean,
  servedZone: Option.Option<Name.Name>
): Option.Option<string> =>
  Option.filterMap(servedZone, (zone) =>
    enabled && zone.length > longestZone
      ? Option.some(
          `a heartbeat can name a zone of ${longestZone} characters and ${Setting.quote(zone)} has ${zone.length}, give a shorter DMP_SERVED_ZONE or turn heartbeats off`
        )
      : Option.none()
  )

export class HeartbeatConfig extends Context.Tag("dnsmesh/peers/HeartbeatConfig")<
  HeartbeatConfig,
  HeartbeatConfigShape
>() {
  static readonly layer = Layer.effect(HeartbeatConfig, config)
}
