/**
 * DNS UPDATE from message to reply (RFC 2136 §3): authenticate, judge, publish all changes
 * together, answer. Invariant: nothing is changed unless everything is, and a verified request
 * gets a signed reply. Plain code that calls back: a fiber for each message was half of what one
 * left behind for the garbage collector (bench/update.ts).
 */
import { Cause, Context, Effect, Either, Exit, FiberSet, Layer } from "effect"
import * as ReplayGuard from "../auth/ReplayGuard.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import { contained } from "../runtime/Contained.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import * as Spans from "../runtime/Spans.ts"
import { flag, rcode } from "../wire/Codes.ts"
import { findOpt, type Message, parse, readHeader } from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import { Publisher } from "../zone/Publisher.ts"
import type { Applied, PublishError } from "../zone/WriteRequest.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { type Authentication, SignedExchange, type Verified } from "./SignedExchange.ts"
import * as UpdateAudit from "./UpdateAudit.ts"
import type { Source } from "./UpdateAuthority.ts"
import { end, type Ending, endingOf, failed, throttled } from "./UpdateEnding.ts"
import { type Asked, make as makeJudge } from "./UpdateJudge.ts"

export type { Source } from "./UpdateAuthority.ts"

export interface UpdateReply {
  /** None when silence is the answer. */
  readonly reply: Buffer | undefined
  /** For `dmp_dns_queries_total`. */
  readonly outcome: string
}

const silence: UpdateReply = { reply: undefined, outcome: "malformed" }

const lasts = (ending: Ending): boolean => ending.passing !== true

export class UpdateHandler extends Context.Tag("dnsmesh/dns/UpdateHandler")<
  UpdateHandler,
  {
    /**
     * Calls `conclude`, which must not throw, once, at once or later. Throws what goes wrong
     * before it is known who asks.
     */
    readonly handle: (message: Buffer, from: Source, conclude: (done: UpdateReply) => void) => void
  }
>() {
  static readonly layer = Layer.scoped(
    UpdateHandler,
    Effect.gen(function* () {
      const exchanges = yield* SignedExchange
      const publisher = yield* Publisher
      const config = yield* UpdateConfig
      const { udpPayload } = yield* DnsConfig
      const judge = yield* makeJudge
      const perKey = yield* RateLimiter.make({ rate: config.keyRate, burst: config.keyBurst })
      const replays = yield* ReplayGuard.make<Ending>()
      const trail = yield* UpdateAudit.make
      const fork = yield* FiberSet.makeRuntime<never, void, never>()
      const spanned = yield* Spans.around("UpdateHandler.run", fork)

      const note = (defect: unknown): void =>
        void fork(Effect.logError("an UPDATE met a defect", defect))
      /** A defect is answered too, signed if the request was. */
      const broken = (defect: unknown): Ending => {
        note(defect)
        return failed
      }

      const published = (exit: Exit.Exit<Applied, PublishError>): Ending =>
        Exit.isSuccess(exit)
          ? end("NOERROR")
          : Either.match(Cause.failureOrCause(exit.cause), {
              onLeft: endingOf,
              onRight: broken
            })

      /** What is asked of the zone, or how it ends without. */
      const ask = (
        message: Message,
        signer: Verified | undefined,
        from: Source
      ): Ending | Asked => {
        if (!config.updateEnabled) return end("REFUSED")
        if (signer !== undefined && !perKey.allow(signer.key.wire.name)) {
          trail(signer.key, [], throttled, from.address)
          return throttled
        }
        return judge(message, signer, from)
      }

      const run = (
        message: Message,
        signer: Verified | undefined,
        from: Source,
        settle: (ending: Ending) => void
      ): void => {
        const asked = contained(() => ask(message, signer, from), broken)
        if ("rcode" in asked) return settle(asked)
        const { changes, key, request } = asked
        const settled = (decide: () => Ending): void =>
          settle(
            contained(() => {
              const ending = decide()
              if (key !== undefined) trail(key, changes, ending, from.address)
              return ending
            }, broken)
          )
        if ("rcode" in request) settled(() => request)
        else publisher.submit(request, (exit) => settled(() => published(exit)))
      }

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

      const carryOut = (
        message: Message,
        exchange: Authentication,
        from: Source,
        conclude: (done: UpdateReply) => void
      ): void => {
        if (exchange._tag === "Rejected") return conclude(exchange)
        const signer = exchange._tag === "Verified" ? exchange : undefined
        const answered = (ending: Ending): void =>
          conclude(
            contained(
              () => ({
                reply: answer(message, ending, signer),
                outcome: ending.outcome ?? ending.rcode.toLowerCase()
              }),
              (defect) => unanswerable(message.bytes, defect)
            )
          )
        const once = (settle: (ending: Ending) => void): void =>
          spanned((done) => run(message, signer, from, done), settle)
        if (signer === undefined) once(answered)
        else replays.guard(signer, once, lasts, answered)
      }

      const unanswerable = (raw: Buffer, defect: unknown): UpdateReply => {
        note(defect)
        return { reply: reply(raw, { rcode: rcode.SERVFAIL }), outcome: "servfail" }
      }

      const open = (raw: Buffer): UpdateReply | Message => {
        const header = readHeader(raw)
        if (header === undefined || header.isResponse) return silence
        return Either.getOrElse(parse(raw), () => ({
          ...silence,
          reply: reply(raw, { rcode: rcode.FORMERR })
        }))
      }

      const handle = (raw: Buffer, from: Source, conclude: (done: UpdateReply) => void): void => {
        const message = open(raw)
        if ("outcome" in message) return conclude(message)
        const exchange = exchanges.open(message)
        if (!Effect.isEffect(exchange)) return carryOut(message, exchange, from, conclude)
        fork(
          Effect.matchCause(exchange, {
            onFailure: (cause) => conclude(unanswerable(raw, cause)),
            onSuccess: (opened) => carryOut(message, opened, from, conclude)
          })
        )
      }
      return UpdateHandler.of({ handle })
    })
  )
}
