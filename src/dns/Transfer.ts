/**
 * Zone transfers out (RFC 5936, RFC 1995): to allowed addresses, signed where a key is
 * configured, whole or as differences. It reads a snapshot in steps and lets every other
 * query go first between them.
 */
import { Context, Effect, Either, Layer, Option } from "effect"
import { rcode, type as rrType } from "../wire/Codes.ts"
import * as Message from "../wire/Message.ts"
import type { WireKey } from "../wire/Name.ts"
import * as Serial from "../zone/Serial.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { ServedZones, soaRdata, type ServedZone, zoneOf } from "../zone/ServedZones.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { ZoneVersions } from "../zone/ZoneVersions.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { type Exchange, isStream } from "./Exchange.ts"
import * as TransferAdmission from "./TransferAdmission.ts"
import type { Refusal, Sign, Signer } from "./TransferAdmission.ts"
import { TransferConfig } from "./TransferConfig.ts"
import { TransferMessages } from "./TransferMessages.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** So many changes are sent as differences however small the zone is. */
const leastCompared = 1000

/** Names or changes read without a message to send before other work gets its turn. */
const step = 64

export class Transfer extends Context.Tag("dnsmesh/dns/Transfer")<
  Transfer,
  {
    /** Answers an AXFR or IXFR query; yields the outcome for the counters. */
    readonly handle: (query: Message.Message, exchange: Exchange) => Effect.Effect<string>
    /**
     * For a query that names the transfer key, such as a secondary's for the SOA: what signs the
     * reply, or how to refuse it where the signature does not hold.
     */
    readonly signer: (
      query: Message.Message
    ) => Effect.Effect<Option.Option<Either.Either<Signer, Refusal>>>
  }
>() {
  static readonly layer = Layer.effect(
    Transfer,
    Effect.gen(function* () {
      const zones = yield* ServedZones
      const versions = yield* ZoneVersions
      const live = yield* AnswerIndex
      const { dnsTtl } = yield* ZoneConfig
      const { udpPayload } = yield* DnsConfig
      const byApex = new Map<WireKey, ServedZone>(zones.map((zone) => [zone.apex, zone]))
      const byName = new Map<string, ServedZone>(zones.map((zone) => [zone.name, zone]))
      const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

      const { admit, refusing, signer } = TransferAdmission.make(yield* TransferConfig, udpPayload)
      const messagesFor = (query: Message.Message, zone: ServedZone) => {
        const hasEdns = Either.getOrUndefined(Message.findOpt(query)) !== undefined
        return new TransferMessages({
          query: query.bytes,
          questionEnd: query.questionsEnd,
          zone,
          ttl: dnsTtl,
          ednsPayload: hasEdns ? udpPayload : undefined
        })
      }

      /** Sends a message, if there is one, and waits until the client takes more. */
      const sending = (exchange: Exchange, sign: Sign) => (message: Buffer | undefined) =>
        message === undefined
          ? Effect.void
          : Effect.flatMap(UnixTime.now, (now) => {
              exchange.send(sign(message, now))
              return exchange.writable
            })

      /** Everything, from a snapshot: SOA, records, SOA. */
      const whole = (query: Message.Message, zone: ServedZone, exchange: Exchange, sign: Sign) =>
        Effect.acquireUseRelease(
          versions.close((serial) => ({ serial, snapshot: live.snapshot() })),
          Effect.fnUntraced(function* ({ serial, snapshot }) {
            const messages = messagesFor(query, zone)
            const send = sending(exchange, sign)
            const soa = soaRdata(zone, serial)
            yield* send(messages.add(zone.apex, rrType.SOA, zone.soa.ttl, soa))
            for (const [owner, types] of zone.records)
              for (const rrset of types.values())
                for (const rdata of rrset.rdatas)
                  yield* send(messages.add(owner, rrset.type, rrset.ttl, rdata))
            let read = 0
            for (;;) {
              const rrset = snapshot.next()
              if (rrset === undefined) break
              const { key, values } = rrset
              for (const value of zoneOf(byApex, key) === zone ? values : []) {
                const full = messages.txt(key, value)
                if (full === undefined) continue
                yield* send(full)
                yield* turn
                read = 0
              }
              if (++read % step === 0) yield* turn
            }
            yield* send(messages.add(zone.apex, rrType.SOA, zone.soa.ttl, soa))
            yield* send(messages.take())
          }),
          ({ snapshot }) => Effect.sync(() => snapshot.close())
        )

      /**
       * The differences since `known`, up to the version closed last: asking often makes no more
       * versions. False when they are not remembered, or are more than the zone itself.
       */
      const differences = Effect.fnUntraced(function* (
        query: Message.Message,
        zone: ServedZone,
        known: number,
        exchange: Exchange,
        sign: Sign
      ) {
        const serial = versions.serial()
        // RFC 1995 §2: to a client that is as new, or newer, the SOA record alone.
        const since = Serial.isLater(known, serial) ? [] : versions.since(known)
        if (since === undefined) return false
        const changed = since.reduce((sum, it) => sum + it.removed.length + it.added.length, 0)
        if (changed > Math.max(leastCompared, live.valueCount)) return false
        const messages = messagesFor(query, zone)
        const send = sending(exchange, sign)
        const soa = (at: number) =>
          send(messages.add(zone.apex, rrType.SOA, zone.soa.ttl, soaRdata(zone, at)))
        yield* soa(serial)
        if (since.length > 0 && isStream(exchange.transport)) {
          let read = 0
          for (const version of since)
            for (const [at, changes] of [
              [version.from, version.removed],
              [version.to, version.added]
            ] as const) {
              yield* soa(at)
              for (const change of changes) {
                const full =
                  zoneOf(byApex, change.key) === zone
                    ? messages.txt(change.key, change.octets)
                    : undefined
                if (full !== undefined) yield* send(full)
                if (full !== undefined || ++read % step === 0) yield* turn
              }
            }
          yield* soa(serial)
        }
        yield* send(messages.take())
        return true
      })

      const handle = Effect.fnUntraced(function* (query: Message.Message, exchange: Exchange) {
        const refuse = ({ outcome, reply }: Refusal) => {
          exchange.send(reply)
          return outcome
        }
        const [question] = query.questions
        const zone = byName.get(question?.name ?? "")
        const admitted = admit(query, exchange, yield* UnixTime.now)
        if (Either.isLeft(admitted)) return refuse(admitted.left)
        if (zone === undefined || question === undefined)
          return refuse(refusing(query, rcode.NOTAUTH))
        const sign = admitted.right
        if (question.type === rrType.IXFR) {
          const known = knownSerial(query)
          if (known === undefined) return refuse(refusing(query, rcode.FORMERR))
          if (yield* differences(query, zone, known, exchange, sign)) return "noerror"
          if (!isStream(exchange.transport)) {
            const at = messagesFor(query, zone)
            at.add(zone.apex, rrType.SOA, zone.soa.ttl, soaRdata(zone, versions.serial()))
            exchange.send(sign(at.take(), yield* UnixTime.now))
            return "noerror"
          }
        } else if (!isStream(exchange.transport)) {
          // RFC 5936 §4.2: there is no AXFR over UDP, nor where a reply is one message.
          return refuse(refusing(query, rcode.FORMERR))
        }
        yield* whole(query, zone, exchange, sign)
        return "noerror"
      })
      return Transfer.of({
        handle,
        signer: (query) => Effect.map(UnixTime.now, (now) => signer(query, now))
      })
    })
  )
}

/** RFC 1995 §3: the client's SOA in the authority section. */
const knownSerial = (query: Message.Message): number | undefined => {
  const soa = query.authorities.find((record) => record.type === rrType.SOA)
  return soa === undefined || soa.rdataEnd - soa.rdataStart < 22
    ? undefined
    : query.bytes.readUInt32BE(soa.rdataEnd - 20)
}
