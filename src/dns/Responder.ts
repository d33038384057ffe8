/**
 * From a query's octets to the reply's: the synchronous kernel that UDP, TCP and every
 * other transport put their framing around. Total; builds no objects but the reply.
 * bench/ shows why: a fiber per packet doubles the cost of an answer.
 */
import { Clock, Context, Effect, Layer, Option, Redacted } from "effect"
import { secretOctets } from "../wire/Cookie.ts"
import { extendedError, flag, rrClass, type as rrType } from "../wire/Codes.ts"
import type { WireKey } from "../wire/Name.ts"
import { maxMessage, ReplyWriter } from "../wire/ReplyWriter.ts"
import { QueryReader, type Verdict } from "../wire/Query.ts"
import * as SecureRandom from "../runtime/SecureRandom.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Lookup } from "../zone/Lookup.ts"
import { type ServedZone, ServedZones } from "../zone/ServedZones.ts"
import { encodeRdata } from "../zone/StaticRecord.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import type { ZoneReader } from "../zone/ZoneReader.ts"
import { ZoneVersions } from "../zone/ZoneVersions.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { chaosTexts } from "./Identity.ts"
import type { Transport } from "./Exchange.ts"
import { LiveRrset } from "./LiveRrset.ts"
import { extendedErrorOption, noOptions, ReplyEdns, type ReplyEdnsSettings } from "./ReplyEdns.ts"
import { rcodeOf, type ReplyOutcome } from "./ReplyOutcome.ts"
import { SoaCache } from "./SoaCache.ts"

const notAuthoritative = extendedErrorOption(extendedError.NOT_AUTHORITATIVE)
const notSupported = extendedErrorOption(extendedError.NOT_SUPPORTED)

/** Octets that the OPT record may get beside the options chosen for it: an error, and padding. */
const optRoom = 512

// RFC 8482 §4.2: what ANY gets where no TXT RRset stands for the name.
const minimalAny = encodeRdata({ type: "HINFO", name: ".", data: { cpu: "RFC8482", os: "" } })

export interface ReplyOptions {
  /** Octets the transport takes; the client's EDNS size counts over UDP only. */
  readonly transport: Transport
  /** Octets to leave free for a TSIG record. */
  readonly reserve?: number
}

/** Plain data: threads that answer the same are given the same. */
export interface ReplySettings extends ReplyEdnsSettings {
  /** Longest TTL of live records, seconds. */
  readonly dnsTtl: number
  /** What `version.bind` is told; nothing hides it. */
  readonly version?: string | undefined
}

export class ResponderKernel {
  readonly reader: QueryReader
  /** Of the last reply. */
  outcome: ReplyOutcome = "noerror"
  /** True when the last reply was cut short and says so. */
  truncated = false
  #rcode = 0
  readonly settings: ReplySettings
  readonly #live: ZoneReader
  readonly #writer = new ReplyWriter()
  readonly #lookup: Lookup
  readonly #values: LiveRrset
  readonly #soa: SoaCache
  readonly #clock: Clock.Clock
  readonly #edns: ReplyEdns
  readonly #chaos: ReadonlyMap<WireKey, string>
  constructor(
    live: ZoneReader,
    zones: ReadonlyArray<ServedZone>,
    clock: Clock.Clock,
    serial: () => number,
    settings: ReplySettings
  ) {
    this.reader = new QueryReader(live.hashStart)
    this.#live = live
    this.#lookup = new Lookup(live, zones)
    this.#values = new LiveRrset(live, this.#writer)
    this.#clock = clock
    this.#soa = new SoaCache(serial)
    this.settings = settings
    this.#edns = new ReplyEdns(this.reader, clock, settings)
    this.#chaos = chaosTexts(settings)
  }

  /** Reads a message from `address`, which is canonical; what follows answers this one. */
  read(message: Buffer, address: string): Verdict {
    const verdict = this.reader.read(message)
    this.#edns.open(message, address)
    return verdict
  }

  /** True when the message read last came with a cookie of ours: its address is no forgery. */
  get proven(): boolean {
    return this.#edns.cookie === "good" || this.#edns.cookie === "renew"
  }

  /** True when its sender understands cookies. */
  get knowsCookies(): boolean {
    return this.#edns.cookie !== "none"
  }

  /** Answers what was read last, `verdict` being what `read` said. */
  reply(query: Buffer, verdict: Verdict, options: ReplyOptions): Buffer | undefined {
    this.#edns.prepare(query, options.transport)
    switch (verdict) {
      case "drop":
      case "update":
        return undefined
      case "formerr":
        return this.reader.whole
          ? this.#empty(query, "formerr", 0, noOptions)
          : this.#bare(query, "formerr")
      case "notimp":
        return this.#bare(query, "notimp")
      case "badvers":
        return this.#empty(query, "badvers", 0, noOptions)
      case "cookie":
        // RFC 7873 §5.4.
        return this.#empty(
          query,
          this.#edns.cookie === "bad" ? "badcookie" : "noerror",
          0,
          noOptions
        )
      case "query":
      case "signed":
        // Another thread may have changed the zone under the answer: then it counts for nothing.
        for (;;) {
          const seen = this.#live.begin()
          const answer = this.#answer(query, options)
          if (this.#live.unchanged(seen)) return answer
        }
    }
  }

  /** A reply without any section, for messages whose question may not be readable. */
  failure(query: Buffer, outcome: ReplyOutcome): Buffer {
    return this.#bare(query, outcome)
  }

  /**
   * To a query over the limit: come again, over TCP or, if you know cookies and have shown none,
   * with this one; an address can be forged with neither.
   */
  retry(query: Buffer, transport: Transport): Buffer {
    this.#edns.prepare(query, transport)
    return this.knowsCookies && !this.proven
      ? this.#empty(query, "badcookie", 0, noOptions)
      : this.#truncation(query)
  }

  /** An empty reply with TC set: over TCP the client gets through (RFC 1035 §4.2.1). */
  #truncation(query: Buffer): Buffer {
    this.#begin(query, "noerror", flag.AA | flag.TC)
    this.truncated = true
    return this.#finish(noOptions)
  }

  #answer(query: Buffer, options: ReplyOptions): Buffer {
    const { reader } = this
    this.truncated = false
    if (reader.version > 0) return this.#empty(query, "badvers", 0, noOptions)
    if (reader.class !== rrClass.IN) return this.#otherClass(query)
    const any = reader.type === rrType.ANY
    if (!any && reader.type >= 249 && reader.type <= 254)
      return this.#empty(query, "refused", 0, notSupported)
    if (reader.type === rrType.OPT) return this.#empty(query, "formerr", 0, noOptions)
    const now = UnixTime.unsafeNow(this.#clock)
    const lookup = this.#lookup
    const found = lookup.find(reader.name, any ? rrType.TXT : reader.type, now)
    const limit =
      (options.transport === "udp"
        ? Math.min(reader.udpPayload, this.settings.udpPayload)
        : maxMessage) - (options.reserve ?? 0)
    switch (found) {
      case "refused":
        return this.#empty(query, "refused", 0, notAuthoritative)
      case "nxdomain":
        return this.#negative(query, "nxdomain", limit)
      case "nodata":
        if (!any) return this.#negative(query, "noerror", limit)
        this.#begin(query, "noerror", flag.AA)
        this.#writer.answer(rrType.HINFO, this.settings.dnsTtl, minimalAny)
        return this.#fit(query, limit)
      case "soa":
        this.#begin(query, "noerror", flag.AA)
        if (lookup.zone !== undefined)
          this.#writer.answer(rrType.SOA, lookup.zone.soa.ttl, this.#soa.rdata(lookup.zone))
        return this.#fit(query, limit)
      case "answer":
        return this.#records(query, limit, now, options.transport)
    }
  }

  /** Class CH says who the server is, as far as it is meant to be known. */
  #otherClass(query: Buffer): Buffer {
    const { class: asked, name, type } = this.reader
    const text = asked === rrClass.CH ? this.#chaos.get(name.key) : undefined
    if (text === undefined || (type !== rrType.TXT && type !== rrType.ANY))
      return this.#empty(query, "refused", 0, notSupported)
    this.#begin(query, "noerror", flag.AA)
    this.#writer.chaos(text)
    return this.#finish(noOptions)
  }

  #records(query: Buffer, limit: number, now: number, transport: Transport): Buffer {
    const { node, rrset } = this.#lookup
    const room = limit - this.#edns.size
    let fixed = 0
    if (rrset !== undefined) for (const rdata of rrset.rdatas) fixed += 12 + rdata.length
    const values = this.#values
    values.open(node, now, node === 0 && rrset !== undefined ? rrset.ttl : this.settings.dnsTtl)
    const { ttl } = values
    const size = this.reader.questionEnd + fixed + values.size
    if (size > room && transport === "udp") return this.#truncation(query)

    const additional = rrset?.additional ?? []
    let wanted = size
    for (const record of additional) wanted += record.length
    // Nothing is written beyond, also where another thread makes the values longer meanwhile.
    const most = Math.min(room, wanted)
    this.#begin(query, "noerror", flag.AA, most + this.#edns.size + optRoom)
    // An RRset of an old database may be larger than any message: then the newest values that
    // fit are given.
    if (size > room) values.writeNewest(most - fixed, rrset)
    else values.write(most - fixed, rrset)
    const writer = this.#writer
    if (rrset !== undefined) {
      for (const rdata of rrset.rdatas) writer.answer(rrset.type, ttl, rdata)
      for (const record of additional)
        if (writer.length + record.length <= most) writer.additional(record)
    }
    return this.#finish(noOptions)
  }

  /** NXDOMAIN or NODATA with the SOA that says how long it may be remembered (RFC 2308 §3). */
  #negative(query: Buffer, outcome: "nxdomain" | "noerror", limit: number): Buffer {
    this.#begin(query, outcome, flag.AA)
    const { zone } = this.#lookup
    if (zone !== undefined) {
      const owner = 12 + this.reader.name.length - zone.apex.length
      this.#writer.authority(owner, rrType.SOA, zone.negativeTtl, this.#soa.rdata(zone))
    }
    return this.#fit(query, limit)
  }

  #empty(query: Buffer, outcome: ReplyOutcome, flags: number, options: Buffer): Buffer {
    this.#begin(query, outcome, flags)
    return this.#finish(options)
  }

  #bare(query: Buffer, outcome: ReplyOutcome): Buffer {
    this.outcome = outcome
    this.#writer.begin(query, 12, 0, rcodeOf[outcome])
    return this.#writer.finish()
  }

  #begin(query: Buffer, outcome: ReplyOutcome, flags: number, room?: number): void {
    this.outcome = outcome
    this.#rcode = rcodeOf[outcome]
    this.#writer.begin(query, this.reader.questionEnd, flags, this.#rcode, room)
  }

  #fit(query: Buffer, limit: number): Buffer {
    const fits = this.#writer.length + this.#edns.size <= limit
    return fits ? this.#finish(noOptions) : this.#truncation(query)
  }

  /** `more` are options beside those every reply to this query gets. */
  #finish(more: Buffer): Buffer {
    this.#edns.write(this.#writer, this.#rcode, more)
    return this.#writer.finish()
  }
}

export class Responder extends Context.Tag("dnsmesh/dns/Responder")<Responder, ResponderKernel>() {
  static readonly layer = Layer.effect(
    Responder,
    Effect.gen(function* () {
      const live = yield* AnswerIndex
      const versions = yield* ZoneVersions
      const zone = yield* ZoneConfig
      const dns = yield* DnsConfig
      const secrets = dns.cookieSecrets.map((secret) => Buffer.from(Redacted.value(secret), "hex"))
      return new ResponderKernel(live, yield* ServedZones, yield* Effect.clock, versions.serial, {
        dnsTtl: zone.dnsTtl,
        udpPayload: dns.udpPayload,
        tcpIdleTimeout: dns.tcpIdleTimeout,
        nsid: Option.getOrUndefined(dns.nsid),
        version: Option.getOrUndefined(dns.version),
        cookieSecrets: secrets.length > 0 ? secrets : [SecureRandom.unsafeOctets(secretOctets)]
      })
    })
  )
}
