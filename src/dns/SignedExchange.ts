/**
 * TSIG around any request and its replies (RFC 8945 §5): who signed it, how its replies are
 * signed, and the whole reply when the signature does not hold. Invariant: once a request is
 * verified every reply to it is signed, whatever its rcode.
 */
import { Context, Effect, Either, Layer } from "effect"
import { type IndexedKey, TsigKeys } from "../auth/TsigKeys.ts"
import { rcode } from "../wire/Codes.ts"
import type { Message } from "../wire/Message.ts"
import { find as findTsig, type TsigRecord } from "../wire/Tsig.ts"
import { overhead, sequence, sign } from "../wire/TsigSign.ts"
import { type TsigOutcome, verify } from "../wire/TsigVerify.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { bare, outcomeOf, refusal } from "./TsigRefusal.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Who signed a request, and how to answer. */
export interface Verified {
  readonly _tag: "Verified"
  readonly key: IndexedKey
  /** Of the request; with `timeSigned` (Unix seconds) it tells repeated requests. */
  readonly mac: Buffer
  readonly timeSigned: number
  /** Octets `seal` adds to a reply. */
  readonly overhead: number
  /** Signs a reply; a request has one, or several by `sequence`. */
  readonly seal: (reply: Buffer) => Buffer
  /** Signs the messages of one reply in their order, as zone transfers need it. */
  readonly sequence: () => (reply: Buffer) => Buffer
}

/** What a request's TSIG record, if any, amounts to. */
export type Authentication =
  | { readonly _tag: "Unsigned" }
  | Verified
  /** `reply` is complete. */
  | { readonly _tag: "Rejected"; readonly reply: Buffer; readonly outcome: string }

interface Attempt {
  readonly key: IndexedKey | undefined
  readonly outcome: TsigOutcome
}

export class SignedExchange extends Context.Tag("dnsmesh/dns/SignedExchange")<
  SignedExchange,
  { readonly open: (request: Message) => Effect.Effect<Authentication> }
>() {
  static readonly layer = Layer.effect(
    SignedExchange,
    Effect.gen(function* () {
      const keys = yield* TsigKeys
      const { udpPayload } = yield* DnsConfig
      const clock = yield* Effect.clock
      const now = () => UnixTime.unsafeNow(clock)

      const verified = (key: IndexedKey, tsig: TsigRecord): Verified => ({
        _tag: "Verified",
        key,
        mac: tsig.mac,
        timeSigned: tsig.timeSigned,
        overhead: overhead(key.wire),
        seal: (message) => sign(message, key.wire, { timeSigned: now(), priorMac: tsig.mac }).bytes,
        sequence: () => {
          const next = sequence(key.wire, tsig.mac)
          return (message) => next(message, now())
        }
      })

      const settle = (request: Message, tsig: TsigRecord, { key, outcome }: Attempt) => {
        if (outcome._tag === "Verified")
          return key === undefined
            ? Effect.dieMessage("verified without a key")
            : Effect.succeed(verified(key, tsig))
        return Effect.as(
          Effect.logDebug("TSIG not accepted", { reason: outcome._tag }),
          rejected(refusal(request, tsig, outcome, { now: now(), udpPayload }), outcomeOf(outcome))
        )
      }

      const open = (request: Message): Effect.Effect<Authentication> =>
        Effect.suspend(() => {
          const found = findTsig(request)
          if (Either.isLeft(found))
            return Effect.succeed(
              rejected(bare(request, rcode.FORMERR, false, udpPayload), "formerr")
            )
          const tsig = found.right
          if (tsig === undefined) return Effect.succeed(unsigned)
          const attempt = (): Attempt => {
            const at = now()
            const key = keys.find(tsig.keyName, at)
            return { key, outcome: verify(request, tsig, key?.wire, { now: at }) }
          }
          const first = attempt()
          if (first.outcome._tag !== "BadKey" && first.outcome._tag !== "BadSig")
            return settle(request, tsig, first)
          // The key may have been made, or given a new secret, a moment ago.
          return Effect.flatMap(keys.rereadIfDue(tsig.keyName), () =>
            settle(request, tsig, attempt())
          )
        })
      return { open }
    })
  )
}

const unsigned: Authentication = { _tag: "Unsigned" }
const rejected = (message: Buffer, outcome: string): Authentication => ({
  _tag: "Rejected",
  reply: message,
  outcome
})
