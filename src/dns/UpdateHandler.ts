/**
 * DNS UPDATE from message to reply (RFC 2136 §3): authenticate, check the zone, prescan,
 * authorise all changes, then publish them together. Invariant: nothing is changed unless
 * everything is, and a verified request gets a signed reply.
 */
import { Context, Effect, Either, Layer, Option } from "effect"
import { ClaimAuth } from "../auth/ClaimAuth.ts"
import * as ReplayGuard from "../auth/ReplayGuard.ts"
import { type IndexedKey, TsigKeys } from "../auth/TsigKeys.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import * as Spans from "../runtime/Spans.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { flag, rcode } from "../wire/Codes.ts"
import { findOpt, type Message, parse, readHeader } from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import { prescan, zoneOf } from "../wire/Update.ts"
import { Publisher } from "../zone/Publisher.ts"
import { ServedZones } from "../zone/ServedZones.ts"
import type { WriteRequest } from "../zone/WriteRequest.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { type Authentication, SignedExchange, type Verified } from "./SignedExchange.ts"
import * as UpdateAudit from "./UpdateAudit.ts"
import { authorise, type Source } from "./UpdateAuthority.ts"
import { end, type Ending, endingOf, failed, throttled } from "./UpdateEnding.ts"
import { settle, wanted, type WantedChange } from "./UpdateFacts.ts"

export type { Source } from "./UpdateAuthority.ts"

export interface UpdateReply {
  /** None when silence is the answer. */
  readonly reply: Buffer | undefined
  /** For `dmp_dns_queries_total`. */
  readonly outcome: string
}

const silence: UpdateReply = { reply: undefined, outcome: "malformed" }

const lasts = (ending: Ending): boolean => ending.passing !== true

/** What somebody who may speak to the zone asks of it. */
interface Asked {
  readonly changes: ReadonlyArray<WantedChange>
  /** The key that signed; none for an unsigned UPDATE. */
  readonly key: IndexedKey | undefined
  /** What the publisher is given, or how it ends without. */
  readonly request: WriteRequest | Ending
}

export class UpdateHandler extends Context.Tag("dnsmesh/dns/UpdateHandler")<
  UpdateHandler,
  { readonly handle: (message: Buffer, from: Source) => Effect.Effect<UpdateReply> }
>() {
  static readonly layer = Layer.effect(
    UpdateHandler,
    Effect.gen(function* () {
      const exchanges = yield* SignedExchange
      const keys = yield* TsigKeys
      const claims = yield* ClaimAuth
      const publisher = yield* Publisher
      const config = yield* UpdateConfig
      const { udpPayload } = yield* DnsConfig
      const zones = new Map((yield* ServedZones).map((zone) => [String(zone.name), zone]))
      const perKey = yield* RateLimiter.make({ rate: config.keyRate, burst: config.keyBurst })
      const replays = yield* ReplayGuard.make<Ending>()
      const trail = yield* UpdateAudit.make
      const spanned = yield* Spans.named("UpdateHandler.run")
      const clock = yield* Effect.clock
      const now = () => UnixTime.unsafeNow(clock)

      /** How an UPDATE ends before the zone is asked, or what it asks of the zone. */
      const judge = (
        message: Message,
        signer: Verified | undefined,
        from: Source
      ): Ending | Asked => {
        const opt = findOpt(message)
        if (Either.isLeft(opt)) return end("FORMERR")
        if (opt.right !== undefined && ((opt.right.ttl >>> 16) & 0xff) > 0) return end("BADVERS")
        const zoneName = zoneOf(message)
        if (Either.isLeft(zoneName)) return end(zoneName.left.rcode)
        const zone = zones.get(zoneName.right)
        if (zone === undefined) return end("NOTAUTH")
        const update = prescan(message)
        if (Either.isLeft(update)) return end(update.left.rcode)

        const changes = Option.all(update.right.changes.map(wanted))
        if (Option.isNone(changes)) return end("REFUSED")
        // Asked again, not taken from the exchange: the key may have been revoked meanwhile.
        const key = signer && keys.find(signer.key.wire.name, now())
        if (signer !== undefined && key === undefined) return end("REFUSED")
        const asked = { key, changes: changes.value }
        const authorised = authorise({ ...asked, zone: zone.name, from }, claims)
        if ("rcode" in authorised) return { ...asked, request: authorised }
        const prerequisites = settle(update.right.prerequisites, zone)
        if (typeof prerequisites === "string") return { ...asked, request: end(prerequisites) }
        return {
          ...asked,
          request: {
            grant: authorised.grant,
            changes: authorised.changes.flatMap(({ change }) => Option.toArray(change)),
            prerequisites
          }
        }
      }

      const apply = (request: Asked["request"]): Effect.Effect<Ending> =>
        "rcode" in request
          ? Effect.succeed(request)
          : Effect.match(publisher.apply(request), {
              onSuccess: () => end("NOERROR"),
              onFailure: endingOf
            })

      const run = (message: Message, signer: Verified | undefined, from: Source) =>
        Effect.suspend(() => {
          if (!config.updateEnabled) return Effect.succeed(end("REFUSED"))
          if (signer !== undefined && !perKey.allow(signer.key.wire.name)) {
            trail(signer.key, [], throttled, from.address)
            return Effect.succeed(throttled)
          }
          const judged = judge(message, signer, from)
          if ("rcode" in judged) return Effect.succeed(judged)
          const { changes, key, request } = judged
          return Effect.map(apply(request), (ending) => {
            if (key !== undefined) trail(key, changes, ending, from.address)
            return ending
          })
        }).pipe(spanned)

      /** A defect is answered too, signed if the request was. */
      const settled = (message: Message, signer: Verified | undefined, from: Source) =>
        Effect.catchAllDefect(run(message, signer, from), (defect) =>
          Effect.as(Effect.logError("an UPDATE met a defect", defect), failed)
        )

      const answer = (message: Message, ending: Ending, signer: Verified | undefined): Buffer => {
        const opt = Either.getOrElse(findOpt(message), () => undefined)
        const room = (opt === undefined ? 512 : Math.max(512, opt.class)) - (signer?.overhead ?? 0)
        const build = (questionsEnd: number | undefined) =>
          reply(message.bytes, {
            rcode: rcode[ending.rcode],
            flags: flag.AA | (ending.truncated ? flag.TC : 0),
            questionsEnd,
            ednsPayload: opt === undefined ? undefined : udpPayload
          })
        // RFC 2136 §3.8 leaves it to the server whether the zone is repeated.
        const whole = build(message.questionsEnd)
        const sent = whole.length <= room ? whole : build(undefined)
        return signer === undefined ? sent : signer.seal(sent)
      }

      const concluded = (message: Message, ending: Ending, signer: Verified | undefined) => ({
        reply: answer(message, ending, signer),
        outcome: ending.outcome ?? ending.rcode.toLowerCase()
      })

      const carryOut = (message: Message, exchange: Authentication, from: Source) => {
        if (exchange._tag === "Rejected") return Effect.succeed(exchange)
        const signer = exchange._tag === "Verified" ? exchange : undefined
        const done = settled(message, signer, from)
        return signer === undefined
          ? Effect.map(done, (ending) => concluded(message, ending, signer))
          : Effect.map(replays.guard(signer, done, lasts), ({ outcome }) =>
              concluded(message, outcome, signer)
            )
      }

      const handle = (raw: Buffer, from: Source): Effect.Effect<UpdateReply> =>
        Effect.suspend(() => {
          const header = readHeader(raw)
          if (header === undefined || header.isResponse) return Effect.succeed(silence)
          const message = parse(raw)
          return Either.isLeft(message)
            ? Effect.succeed({ ...silence, reply: reply(raw, { rcode: rcode.FORMERR }) })
            : Effect.flatMap(exchanges.open(message.right), (exchange) =>
                carryOut(message.right, exchange, from)
              )
        })
      return { handle }
    })
  )
}
