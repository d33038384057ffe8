/**
 * From a query's octets to the reply's: the synchronous kernel that UDP, TCP and every
 * other transport put their framing around. Total; builds no objects but the reply.
 * bench/ shows why: a fiber per packet doubles the cost of an answer.
 */
import { Clock, Context, Effect, Layer } from "effect"
import {
  ednsOption,
  extendedError,
  flag,
  rcode,
  type RcodeName,
  rrClass,
  type as rrType
} from "../wire/Codes.ts"
import { maxMessage, ReplyWriter } from "../wire/ReplyWriter.ts"
import { QueryReader, type Verdict } from "../wire/Query.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import type { LiveZone, Txt } from "../zone/LiveZone.ts"
import { Lookup } from "../zone/Lookup.ts"
import { encodeRdata, type ServedZone, ServedZones, soaRdata } from "../zone/ServedZones.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { ZoneVersions } from "../zone/ZoneVersions.ts"
import { DnsConfig } from "./DnsConfig.ts"

const optOctets = 11
const noOptions = Buffer.alloc(0)

const ede = (code: number): Buffer => {
  const option = Buffer.alloc(6)
  option.writeUInt16BE(ednsOption.EXTENDED_ERROR, 0)
  option.writeUInt16BE(2, 2)
  option.writeUInt16BE(code, 4)
  return option
}
const notAuthoritative = ede(extendedError.NOT_AUTHORITATIVE)
const notSupported = ede(extendedError.NOT_SUPPORTED)

// RFC 8482 §4.2: what ANY gets where no TXT RRset stands for the name.
const minimalAny = encodeRdata({ type: "HINFO", name: ".", data: { cpu: "RFC8482", os: "" } })

/** What a message is counted as: its rcode in lower case. */
export type ReplyOutcome = Lowercase<RcodeName>

export interface ReplyOptions {
  /** Octets the transport takes; the client's EDNS size counts over UDP only. */
  readonly transport: "udp" | "tcp"
  /** Octets to leave free for a TSIG record. */
  readonly reserve?: number
}

interface Settings {
  readonly dnsTtl: number
  readonly udpPayload: number
}

export class ResponderKernel {
  readonly reader = new QueryReader()
  /** Of the last reply. */
  outcome: ReplyOutcome = "noerror"
  /** True when the last reply was cut short and says so. */
  truncated = false
  readonly #writer = new ReplyWriter()
  readonly #lookup: Lookup
  readonly #soa = new Map<ServedZone, { serial: number; rdata: Buffer }>()
  readonly #clock: Clock.Clock
  readonly #serial: () => number
  readonly #settings: Settings
  #turn = 0

  constructor(
    live: LiveZone,
    zones: ReadonlyArray<ServedZone>,
    clock: Clock.Clock,
    serial: () => number,
    settings: Settings
  ) {
    this.#lookup = new Lookup(live, zones)
    this.#clock = clock
    this.#serial = serial
    this.#settings = settings
  }

  /** Answers what `reader` has just read, `verdict` being what it said. */
  reply(query: Buffer, verdict: Verdict, options: ReplyOptions): Buffer | undefined {
    this.truncated = false
    switch (verdict) {
      case "drop":
      case "update":
        return undefined
      case "formerr":
        return this.#bare(query, "formerr")
      case "notimp":
        return this.#bare(query, "notimp")
      case "badvers":
        return this.#empty(query, "badvers", 0, noOptions)
      case "cookie":
        return this.#empty(query, "noerror", 0, noOptions)
      case "query":
      case "signed":
        return this.#answer(query, options)
    }
  }

  /** A reply without any section, for messages whose question may not be readable. */
  failure(query: Buffer, outcome: ReplyOutcome): Buffer {
    return this.#bare(query, outcome)
  }

  /** An empty reply with TC set: over TCP the client gets through (RFC 1035 §4.2.1). */
  truncation(query: Buffer): Buffer {
    this.#begin(query, "noerror", flag.AA | flag.TC)
    this.truncated = true
    return this.#finish(noOptions)
  }

  #answer(query: Buffer, options: ReplyOptions): Buffer {
    const { reader } = this
    if (reader.class !== rrClass.IN) return this.#empty(query, "refused", 0, notSupported)
    const any = reader.type === rrType.ANY
    if (!any && reader.type >= 249 && reader.type <= 254)
      return this.#empty(query, "refused", 0, notSupported)
    if (reader.type === rrType.OPT) return this.#empty(query, "formerr", 0, noOptions)
    const now = Math.floor(this.#clock.unsafeCurrentTimeMillis() / 1000)
    const lookup = this.#lookup
    const found = lookup.find(
      reader.key,
      reader.labels,
      reader.labelCount,
      any ? rrType.TXT : reader.type,
      now
    )
    const limit =
      (options.transport === "udp"
        ? Math.min(reader.udpPayload, this.#settings.udpPayload)
        : maxMessage) - (options.reserve ?? 0)
    switch (found) {
      case "refused":
        return this.#empty(query, "refused", 0, notAuthoritative)
      case "nxdomain":
        return this.#negative(query, "nxdomain", limit)
      case "nodata":
        if (!any) return this.#negative(query, "noerror", limit)
        this.#begin(query, "noerror", flag.AA)
        this.#writer.answer(rrType.HINFO, this.#settings.dnsTtl, minimalAny)
        return this.#fit(query, limit)
      case "soa":
        this.#begin(query, "noerror", flag.AA)
        if (lookup.zone !== undefined)
          this.#writer.answer(rrType.SOA, lookup.zone.soa.ttl, this.#soaOf(lookup.zone))
        return this.#fit(query, limit)
      case "answer":
        return this.#records(query, limit, now, options.transport)
    }
  }

  #records(query: Buffer, limit: number, now: number, transport: "udp" | "tcp"): Buffer {
    const { txts, rrset } = this.#lookup
    const room = limit - (this.reader.edns ? optOctets : 0)
    let size = this.reader.questionEnd
    let ttl = this.#settings.dnsTtl
    for (const txt of txts) {
      if (txt.expiresAt <= now) continue
      size += rrOctets(txt)
      if (txt.expiresAt - now < ttl) ttl = txt.expiresAt - now
    }
    if (rrset !== undefined) for (const rdata of rrset.rdatas) size += 12 + rdata.length
    if (size > room && transport === "udp") return this.truncation(query)

    this.#begin(query, "noerror", flag.AA)
    const writer = this.#writer
    // Readers look at the first values only, so every value gets its turn there. An RRset of an
    // old database may be larger than any message: then the newest values that fit are given.
    const oversize = size > room
    const start = oversize ? 0 : this.#turn++ % Math.max(1, txts.length)
    for (let i = 0; i < txts.length; i++) {
      const txt = txts[oversize ? txts.length - 1 - i : (start + i) % txts.length]
      if (txt === undefined || txt.expiresAt <= now) continue
      if (oversize && writer.length + rrOctets(txt) > room) continue
      writer.txt(txt.octets, ttl)
    }
    if (rrset !== undefined) {
      for (const rdata of rrset.rdatas)
        writer.answer(rrset.type, txts.length > 0 ? Math.min(ttl, rrset.ttl) : rrset.ttl, rdata)
      for (const record of rrset.additional ?? [])
        if (writer.length + record.length <= room) writer.additional(record)
    }
    return this.#finish(noOptions)
  }

  /** NXDOMAIN or NODATA with the SOA that says how long it may be remembered (RFC 2308 §3). */
  #negative(query: Buffer, outcome: "nxdomain" | "noerror", limit: number): Buffer {
    this.#begin(query, outcome, flag.AA)
    const { zone } = this.#lookup
    if (zone !== undefined) {
      const label = this.reader.labels[this.reader.labelCount - zone.labelCount] ?? 0
      this.#writer.authority(12 + label, rrType.SOA, zone.negativeTtl, this.#soaOf(zone))
    }
    return this.#fit(query, limit)
  }

  #soaOf(zone: ServedZone): Buffer {
    const serial = this.#serial()
    const known = this.#soa.get(zone)
    if (known !== undefined && known.serial === serial) return known.rdata
    const rdata = soaRdata(zone, serial)
    this.#soa.set(zone, { serial, rdata })
    return rdata
  }

  #empty(query: Buffer, outcome: ReplyOutcome, flags: number, options: Buffer): Buffer {
    this.#begin(query, outcome, flags)
    return this.#finish(options)
  }

  #bare(query: Buffer, outcome: ReplyOutcome): Buffer {
    this.outcome = outcome
    this.#writer.begin(query, 12, 0, rcode[codeName(outcome)])
    return this.#writer.finish()
  }

  #begin(query: Buffer, outcome: ReplyOutcome, flags: number): void {
    this.outcome = outcome
    this.#writer.begin(query, this.reader.questionEnd, flags, rcode[codeName(outcome)])
  }

  #fit(query: Buffer, limit: number): Buffer {
    const size = this.#writer.length + (this.reader.edns ? optOctets : 0)
    return size > limit ? this.truncation(query) : this.#finish(noOptions)
  }

  #finish(options: Buffer): Buffer {
    if (this.reader.edns)
      this.#writer.opt(
        this.#settings.udpPayload,
        rcode[codeName(this.outcome)],
        this.reader.dnssecOk,
        options
      )
    return this.#writer.finish()
  }
}

const names: Readonly<Record<ReplyOutcome, RcodeName>> = {
  noerror: "NOERROR",
  formerr: "FORMERR",
  servfail: "SERVFAIL",
  nxdomain: "NXDOMAIN",
  notimp: "NOTIMP",
  refused: "REFUSED",
  yxdomain: "YXDOMAIN",
  yxrrset: "YXRRSET",
  nxrrset: "NXRRSET",
  notauth: "NOTAUTH",
  notzone: "NOTZONE",
  badvers: "BADVERS",
  badsig: "BADSIG",
  badkey: "BADKEY",
  badtime: "BADTIME",
  badtrunc: "BADTRUNC",
  badcookie: "BADCOOKIE"
}
const codeName = (outcome: ReplyOutcome): RcodeName => names[outcome]

const rrOctets = (txt: Txt): number =>
  12 + txt.octets.length + Math.max(1, Math.ceil(txt.octets.length / 255))

export class Responder extends Context.Tag("dnsmesh/dns/Responder")<Responder, ResponderKernel>() {
  static readonly layer = Layer.effect(
    Responder,
    Effect.gen(function* () {
      const live = yield* AnswerIndex
      const versions = yield* ZoneVersions
      const zone = yield* ZoneConfig
      const dns = yield* DnsConfig
      return new ResponderKernel(live, yield* ServedZones, yield* Effect.clock, versions.serial, {
        dnsTtl: zone.dnsTtl,
        udpPayload: dns.udpPayload
      })
    })
  )
}
