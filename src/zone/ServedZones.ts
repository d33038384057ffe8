/**
 * The zones this node answers for and the records that stand in them by configuration,
 * with rdata already encoded. Plain data for `zone/Lookup`; names are wire keys.
 */
import { type Answer, encode } from "dns-packet"
import { Context, Effect, Layer, Option } from "effect"
import { rrClass, type as rrType } from "../wire/Codes.ts"
import { type Name, parentKey, toWireKey, unsafeWireKey, type WireKey } from "../wire/Name.ts"
import { ZoneConfig, type ZoneConfigShape } from "./ZoneConfig.ts"

export interface StaticRrset {
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** Without RDLENGTH, uncompressed. */
  readonly rdatas: ReadonlyArray<Buffer>
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

/** A record to stand in a zone; `rdata` as `encodeRdata` makes it. */
export interface StaticRecord {
  readonly owner: Name
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  readonly rdata: Buffer
}

/** RDATA of a record, without RDLENGTH. */
// dns-packet exports no encoder of lone rdata with types: what follows the header, the root as
// owner name and the fixed fields of a message with one answer is it.
export const encodeRdata = (record: Answer): Buffer =>
  Buffer.from(
    encode({ type: "response", answers: [{ ...record, name: "." }] }).subarray(12 + 1 + 10)
  )

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
    types.set(code, {
      type: code,
      ttl: Math.min(record.ttl, held?.ttl ?? record.ttl),
      rdatas: [...(held?.rdatas ?? []), record.rdata]
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
 * The zones of the configuration. Where no name server is named the zone itself is one; the
 * apex addresses also stand at every name server inside the zone, so that a delegation to it
 * can be followed.
 */
export const fromConfig = (config: ZoneConfigShape): ReadonlyArray<ServedZone> =>
  config.zones.map((zone) => {
    const ttl = config.dnsTtl
    const servers = config.apexNs.length > 0 ? config.apexNs : [zone]
    const within = (name: Name) => name === zone || name.endsWith(`.${zone}`)
    const addressed = new Set([zone, ...servers.filter(within)])
    return serve(
      zone,
      {
        mname: servers[0] ?? zone,
        rname: Option.getOrElse(config.soaRname, () => `hostmaster.${zone}`),
        ttl,
        refresh: 3600,
        retry: 600,
        expire: 604_800
      },
      Math.min(config.negativeTtl, config.dnsTtl),
      [
        ...servers.map((server) => ({
          owner: zone,
          type: rrType.NS,
          ttl,
          rdata: encodeRdata({ type: "NS", name: zone, data: server })
        })),
        ...[...addressed].flatMap((owner) => [
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
      ]
    )
  })

/** The zones this node answers for, with what stands in them by configuration. */
export class ServedZones extends Context.Tag("dnsmesh/zone/ServedZones")<
  ServedZones,
  ReadonlyArray<ServedZone>
>() {
  static readonly layer = Layer.effect(ServedZones, Effect.map(ZoneConfig, fromConfig))
}

/** The zone with the longest name that `key` lies in. */
export const zoneOf = (
  zones: ReadonlyMap<WireKey, ServedZone>,
  key: WireKey
): ServedZone | undefined => {
  for (let at = key; at.length > 0; at = parentKey(at)) {
    const zone = zones.get(at)
    if (zone !== undefined) return zone
  }
  return undefined
}
