/**
 * Which zones this node serves and what stands at their apex. The one home of the served
 * zone: HTTP, DNS, UPDATE and federation all ask here.
 */
import { Config, Context, Layer, Option } from "effect"
import * as NetworkSetting from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"
import * as Name from "../wire/Name.ts"
import * as NameSetting from "./NameSetting.ts"

export const settings = {
  servedZone: NameSetting.optionalName("DMP_SERVED_ZONE", {
    about:
      "Zone this node is authoritative for. The first set one of this variable and DMP_CLAIM_PROVIDER_ZONE, DMP_CLUSTER_BASE_DOMAIN, DMP_DOMAIN, DMP_NODE_HOSTNAME counts.",
    defaultText: "(derived)"
  }),
  claimProviderZone: NameSetting.optionalName("DMP_CLAIM_PROVIDER_ZONE", {
    about: "Zone in which claims are accepted; second choice for the served zone."
  }),
  clusterBaseDomain: NameSetting.optionalName("DMP_CLUSTER_BASE_DOMAIN", {
    about:
      "Domain of the cluster this node belongs to, served beside the served zone; third choice for the served zone."
  }),
  domain: NameSetting.optionalName("DMP_DOMAIN", {
    about: "Domain of the users of this node; fourth choice for the served zone."
  }),
  nodeHostname: Setting.optional("DMP_NODE_HOSTNAME", {
    about:
      "Public host name of this node, as Caddy and registration use it; last choice for the served zone.",
    accepts: "a host name such as dmp.example.com",
    parse: (text) => Option.as(Name.parse(text), text)
  }),
  extraZones: NameSetting.names("DMP_EXTRA_ZONES", {
    about: "Further zones this node is authoritative for."
  }),
  dnsTtl: Setting.integer("DMP_DNS_TTL", {
    about:
      "Longest TTL in answers, in seconds; a record that ends sooner is advertised for what is left of it.",
    min: 0,
    max: 86_400,
    default: 60
  }),
  negativeTtl: Setting.integer("DMP_DNS_NEGATIVE_TTL", {
    about: "Seconds for which resolvers may remember that a name or type does not exist.",
    min: 0,
    max: 86_400,
    default: 30
  }),
  apexA: NetworkSetting.addresses("DMP_DNS_APEX_A", {
    about:
      "IPv4 addresses at the apex. This DNS server must listen on them: clients send updates there.",
    family: 4
  }),
  apexAaaa: NetworkSetting.addresses("DMP_DNS_APEX_AAAA", {
    about:
      "IPv6 addresses at the apex. This DNS server must listen on them: clients send updates there.",
    family: 6
  }),
  apexNs: NameSetting.names("DMP_DNS_APEX_NS", {
    about: "Name servers of the served zone; the first one is also the primary in the SOA record.",
    defaultText: "(the zone itself)"
  }),
  soaRname: Setting.optional("DMP_DNS_APEX_SOA_RNAME", {
    about: "Mailbox of the person responsible for the zone, as a name or as user@host.",
    defaultText: "(hostmaster at the zone)",
    accepts: "a mailbox such as hostmaster.example.org or hostmaster@example.org",
    // RFC 1035 §8: the local part becomes the first label. Dots in it would need escapes that
    // our name grammar does not have, so such a mailbox is refused.
    parse: (text) => {
      const [local = "", host, ...rest] = text.split("@")
      if (host === undefined) return Name.parse(text)
      return rest.length > 0 || local.includes(".") ? Option.none() : Name.parse(`${local}.${host}`)
    }
  }),
  zoneFile: Setting.optionalPath("DMP_ZONE_FILE", {
    about:
      "Master file with further records of the zones: NS, A, AAAA, CAA, MX and TXT, at the apex and below."
  }),
  cleanupInterval: Setting.seconds("DMP_CLEANUP_INTERVAL", {
    about: "Seconds between sweeps of expired records. Lower it when expired rows pile up.",
    min: 0.1,
    max: 86_400,
    default: 60
  })
}

export interface ZoneConfigShape {
  readonly servedZone: Option.Option<Name.Name>
  /** Every zone this node is authoritative for, the served one first; no repetitions. */
  readonly zones: ReadonlyArray<Name.Name>
  /** Where claims are accepted, when that was named on its own. */
  readonly claimProviderZone: Option.Option<Name.Name>
  readonly clusterBaseDomain: Option.Option<Name.Name>
  /** Seconds. */
  readonly dnsTtl: number
  /** Seconds. */
  readonly negativeTtl: number
  readonly apexA: ReadonlyArray<string>
  readonly apexAaaa: ReadonlyArray<string>
  readonly apexNs: ReadonlyArray<Name.Name>
  readonly soaRname: Option.Option<Name.Name>
  /** Path of the file with further records. */
  readonly zoneFile?: Option.Option<string>
  /** As written, because clients sign over it. */
  readonly nodeHostname: Option.Option<string>
  /** Seconds. */
  readonly cleanupInterval: number
}

export const config: Config.Config<ZoneConfigShape> = Setting.all(settings).pipe(
  Config.map(({ domain, extraZones, ...read }) => {
    const servedZone = Option.firstSomeOf([
      read.servedZone,
      read.claimProviderZone,
      read.clusterBaseDomain,
      domain,
      Option.flatMap(read.nodeHostname, Name.parse)
    ])
    const zones = [
      ...Option.toArray(servedZone),
      ...extraZones,
      ...Option.toArray(read.clusterBaseDomain)
    ]
    return { ...read, servedZone, zones: [...new Set(zones)] }
  })
)

export class ZoneConfig extends Context.Tag("dnsmesh/zone/ZoneConfig")<
  ZoneConfig,
  ZoneConfigShape
>() {
  static readonly layer = Layer.effect(ZoneConfig, config)
}
