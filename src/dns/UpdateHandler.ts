/**
 * DNS UPDATE from message to reply (RFC 2136 §3): authenticate, check the zone, prescan,
 * authorise all changes, then publish them together. Invariant: nothing is changed unless
 * everything is, and a verified request gets a signed reply.
 */
import { Clock, Context, Effect, Either, Layer, Option } from "effect"
import { ClaimAuth } from "../auth/ClaimAuth.ts"
import * as ReplayGuard from "../auth/ReplayGuard.ts"
import { TsigKeys } from "../auth/TsigKeys.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { flag, rcode } from "../wire/Codes.ts"
import { findOpt, type Message, parse, readHeader } from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import { prescan, type Update, zoneOf } from "../wire/Update.ts"
import { Publisher } from "../zone/Publisher.ts"
import { type ServedZone, ServedZones } from "../zone/ServedZones.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { SignedExchange, type Verified } from "./SignedExchange.ts"
import * as UpdateAudit from "./UpdateAudit.ts"
import { authorise, type Source, type UpdateRequest } from "./UpdateAuthority.ts"
import { end, type Ending, endingOf, failed, throttled } from "./UpdateEnding.ts"
import { settle, wanted } from "./UpdateFacts.ts"

export type { Source } from "./UpdateAuthority.ts"

export interface UpdateReply {
  /** None when silence is the answer. */
  readonly reply: Buffer | undefined
  /** For `dmp_dns_queries_total`. */
  readonly outcome: string
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

      const apply = Effect.fnUntraced(function* (
        zone: ServedZone,
        update: Update,
        request: Omit<UpdateRequest, "zone">
      ) {
        const authorised = authorise({ ...request, zone: zone.name }, claims)
        if ("rcode" in authorised) return authorised
        const prerequisites = settle(update.prerequisites, zone)
        if (typeof prerequisites === "string") return end(prerequisites)
        return yield* publisher
          .apply({
            grant: authorised.grant,
            changes: authorised.changes.flatMap(({ change }) => Option.toArray(change)),
            prerequisites
          })
          .pipe(
            Effect.as(end("NOERROR")),
            Effect.catchAll((error) => Effect.succeed(endingOf(error)))
          )
      })

      const run = Effect.fn("UpdateHandler.run")(function* (
        message: Message,
        signer: Verified | undefined,
        from: Source
      ) {
        if (!config.updateEnabled) return end("REFUSED")
        if (signer !== undefined && !perKey.allow(signer.key.wire.name)) {
          trail(signer.key, [], throttled, from.address)
          return throttled
        }
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
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        // Asked again, not taken from the exchange: the key may have been revoked meanwhile.
        const key = signer && keys.find(signer.key.wire.name, now)
        if (signer !== undefined && key === undefined) return end("REFUSED")
        const ending = yield* apply(zone, update.right, { changes: changes.value, key, from })
        if (key !== undefined) trail(key, changes.value, ending, from.address)
        return ending
      })

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

      const handle = Effect.fnUntraced(function* (
        raw: Buffer,
        from: Source
      ): Effect.fn.Return<UpdateReply> {
        const header = readHeader(raw)
        if (header === undefined || header.isResponse)
          return { reply: undefined, outcome: "malformed" }
        const parsed = parse(raw)
        if (Either.isLeft(parsed))
          return { reply: reply(raw, { rcode: rcode.FORMERR }), outcome: "malformed" }
        const message = parsed.right
        const exchange = yield* exchanges.open(message)
        if (exchange._tag === "Rejected") return exchange
        const signer = exchange._tag === "Verified" ? exchange : undefined
        const ending =
          signer === undefined
            ? yield* settled(message, signer, from)
            : (yield* replays.guard(
                signer,
                settled(message, signer, from),
                (outcome) => outcome.passing !== true
              )).outcome
        return {
          reply: answer(message, ending, signer),
          outcome: ending.outcome ?? ending.rcode.toLowerCase()
        }
      })
      return { handle }
    })
  )
}
