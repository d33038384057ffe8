/**
 * The zones this node answers for and the records that stand in them by configuration,
 * with rdata already encoded. Plain data for `zone/Lookup`; names are wire keys.
 */
import { Context, Effect, Layer, Option } from "effect"
import { rrClass, type as rrType } from "../wire/Codes.ts"
import {
  fromWireKey,
  isWithin,
  type Name,
  parentKey,
  toWireKey,
  unsafeWireKey,
  type WireKey
} from "../wire/Name.ts"
import { encodeRdata, type StaticRecord } from "./StaticRecord.ts"
import { ZoneConfig, type ZoneConfigShape } from "./ZoneConfig.ts"
import * as ZoneFile from "./ZoneFile.ts"

export interface StaticRrset {
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** Without RDLENGTH, uncompressed. */
  readonly rdatas: ReadonlyArray<Buffer>
  /** Of a TXT RRset: the texts, as octets, so that no value stands in an answer twice. */
  readonly texts?: ReadonlySet<string>
  /** Whole records for the additional section: addresses of name servers in the zone. */
  readonly additional?: ReadonlyArray<Buffer>
}

export interface ServedZone {
  readonly apex: WireKey
  readonly name: Name
  readonly labelCount: number
  /** Seconds a negative answer may be kept; TTL of the SOA record beside it (RFC 2308 §3). */
  readonly negativeTtl: number
  readonly soa: {
    readonly mname: string
    readonly rname: string
    readonly ttl: number
    readonly refresh: number
    readonly retry: number
    readonly expire: number
  }
  /** By owner, then by type. The SOA is not among them: its serial moves. */
  readonly records: ReadonlyMap<WireKey, ReadonlyMap<number, StaticRrset>>
  /** Names above an owner of static records, the apex excluded. */
  readonly emptyNonTerminals: ReadonlySet<WireKey>
}

/** RDATA of an SOA record (RFC 1035 §3.3.13). */
export const soaRdata = (zone: ServedZone, serial: number): Buffer =>
  encodeRdata({
    type: "SOA",
    name: zone.name,
    data: { ...zone.soa, serial, minimum: zone.negativeTtl }
  })

/** One zone with the records given; `records` outside it are left out. */
export const serve = (
  name: Name,
  soa: ServedZone["soa"],
  negativeTtl: number,
  records: ReadonlyArray<StaticRecord>
): ServedZone => {
  const apex = toWireKey(name)
  const byOwner = new Map<WireKey, Map<number, StaticRrset>>()
  const between = new Set<WireKey>()
  for (const record of records) {
    const owner = toWireKey(record.owner)
    if (record.owner !== name && !record.owner.endsWith(`.${name}`)) continue
    const types = byOwner.get(owner) ?? new Map<number, StaticRrset>()
    byOwner.set(owner, types)
    const code = record.type
    const held = types.get(code)
    const rdatas = held?.rdatas ?? []
    types.set(code, {
      type: code,
      ttl: Math.min(record.ttl, held?.ttl ?? record.ttl),
      rdatas: rdatas.some((rdata) => rdata.equals(record.rdata))
        ? rdatas
        : [...rdatas, record.rdata],
      ...(code === rrType.TXT
        ? { texts: new Set([...(held?.texts ?? []), textOf(record.rdata)]) }
        : {})
    })
    for (let at = owner; at !== apex && parentKey(at) !== apex; at = parentKey(at))
      between.add(parentKey(at))
  }
  const servers = byOwner.get(apex)?.get(rrType.NS)
  if (servers !== undefined)
    byOwner.get(apex)?.set(rrType.NS, { ...servers, additional: glue(servers.rdatas, byOwner) })
  return {
    apex,
    name,
    labelCount: name.split(".").length,
    negativeTtl,
    soa,
    records: byOwner,
    emptyNonTerminals: between
  }
}

/** The octets of a TXT record, its strings joined. */
const textOf = (rdata: Buffer): string => {
  let text = ""
  for (let at = 0; at < rdata.length; at += 1 + (rdata[at] ?? 0))
    text += rdata.toString("latin1", at + 1, at + 1 + (rdata[at] ?? 0))
  return text
}

/** Address records of the name servers that have them here, owner name and all. */
const glue = (
  servers: ReadonlyArray<Buffer>,
  byOwner: ReadonlyMap<WireKey, ReadonlyMap<number, StaticRrset>>
): ReadonlyArray<Buffer> =>
  servers.flatMap((server) => {
    const owner = unsafeWireKey(server.toString("latin1", 0, server.length - 1))
    return [rrType.A, rrType.AAAA].flatMap((type) => {
      const rrset = byOwner.get(owner)?.get(type)
      return (rrset?.rdatas ?? []).map((rdata) => {
        const fixed = Buffer.alloc(10)
        fixed.writeUInt16BE(type, 0)
        fixed.writeUInt16BE(rrClass.IN, 2)
        fixed.writeUInt32BE(rrset?.ttl ?? 0, 4)
        fixed.writeUInt16BE(rdata.length, 8)
        return Buffer.concat([server, fixed, rdata])
      })
    })
  })

/**
 * The zones of the configuration, with the records of the zone file. Where no name server is
 * named the zone itself is one; the apex addresses also stand at every name server inside the
 * zone that has none of its own, so that a delegation to it can be followed.
 */
export const fromConfig = (
  config: ZoneConfigShape,
  file: ReadonlyArray<StaticRecord> = []
): ReadonlyArray<ServedZone> => {
  const innermost = [...config.zones].sort((a, b) => b.length - a.length)
  return config.zones.map((zone) => {
    const ttl = config.dnsTtl
    const own = file.filter(({ owner }) => innermost.find((it) => isWithin(owner, it)) === zone)
    const isServer = (record: StaticRecord) => record.type === rrType.NS && record.owner === zone
    const fromFile = own.filter(isServer).map(({ rdata }) => nameIn(rdata))
    const servers = [
      ...new Set([
        ...config.apexNs,
        ...fromFile,
        ...(config.apexNs.length + fromFile.length === 0 ? [zone] : [])
      ])
    ]
    const addressed = (owner: Name) =>
      own.some((it) => it.owner === owner && (it.type === rrType.A || it.type === rrType.AAAA))
    const owners = new Set([
      zone,
      ...servers.filter((server) => isWithin(server, zone) && !addressed(server))
    ])
    const soa = {
      mname: servers[0] ?? zone,
      rname: Option.getOrElse(config.soaRname, () => `hostmaster.${zone}`),
      ttl,
      refresh: 3600,
      retry: 600,
      expire: 604_800
    }
    return serve(zone, soa, Math.min(config.negativeTtl, config.dnsTtl), [
      // Live values may join these: one RRset has one TTL.
      ...own.map((it) => (it.type === rrType.TXT ? { ...it, ttl: Math.min(it.ttl, ttl) } : it)),
      ...servers.map((data) => ({
        owner: zone,
        type: rrType.NS,
        ttl,
        rdata: encodeRdata({ type: "NS", name: zone, data })
      })),
      ...[...owners].flatMap((owner) => [
        ...config.apexA.map((data) => ({
          owner,
          type: rrType.A,
          ttl,
          rdata: encodeRdata({ type: "A", name: owner, data })
        })),
        ...config.apexAaaa.map((data) => ({
          owner,
          type: rrType.AAAA,
          ttl,
          rdata: encodeRdata({ type: "AAAA", name: owner, data })
        }))
      ])
    ])
  })
}

/** The name that is all of `rdata`. */
const nameIn = (rdata: Buffer): Name =>
  fromWireKey(unsafeWireKey(rdata.toString("latin1", 0, rdata.length - 1)))

/** The zones of the configuration; reads the zone file. */
export const servedZones = Effect.gen(function* () {
  const config = yield* ZoneConfig
  const served = { zones: config.zones, ttl: config.dnsTtl }
  return fromConfig(config, yield* ZoneFile.load(config.zoneFile ?? Option.none(), served))
})

/** The zones this node answers for, with what stands in them by configuration. */
export class ServedZones extends Context.Tag("dnsmesh/zone/ServedZones")<
  ServedZones,
  ReadonlyArray<ServedZone>
>() {
  static readonly layer = Layer.effect(ServedZones, servedZones)
}

/** The zone with the longest name that `key` lies in. */
export const zoneOf = (
  zones: ReadonlyMap<WireKey, ServedZone>,
  key: WireKey
): ServedZone | undefined => {
  let found: ServedZone | undefined
  for (const zone of zones.values())
    if (zone.apex.length > (found?.apex.length ?? 0) && liesIn(key, zone.apex)) found = zone
  return found
}

/** Makes no strings: a transfer asks it of every name. */
const liesIn = (key: WireKey, apex: WireKey): boolean => {
  const end = key.length - apex.length
  let at = 0
  while (at < end) at += key.charCodeAt(at) + 1
  return at === end && key.endsWith(apex)
}
