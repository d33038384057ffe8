/**
 * TSIG around any request and its replies (RFC 8945 §5): who signed it, how its replies are
 * signed, and the whole reply when the signature does not hold. Invariant: once a request is
 * verified every reply to it is signed, whatever its rcode.
 */
import { Clock, Context, Effect, Either, Layer } from "effect"
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
export class Verified {
  readonly _tag = "Verified"
  readonly key: IndexedKey
  /** Of the request; with `timeSigned` (Unix seconds) it tells repeated requests. */
  readonly mac: Buffer
  readonly timeSigned: number
  readonly #clock: Clock.Clock

  constructor(key: IndexedKey, { mac, timeSigned }: TsigRecord, clock: Clock.Clock) {
    this.key = key
    this.mac = mac
    this.timeSigned = timeSigned
    this.#clock = clock
  }

  /** Octets `seal` adds to a reply. */
  get overhead(): number {
    return overhead(this.key.wire)
  }

  /** Signs a reply; a request has one, or several by `sequence`. */
  seal(reply: Buffer): Buffer {
    const timeSigned = UnixTime.unsafeNow(this.#clock)
    return sign(reply, this.key.wire, { timeSigned, priorMac: this.mac }).bytes
  }

  /** Signs the messages of one reply in their order, as zone transfers need it. */
  sequence(): (reply: Buffer) => Buffer {
    const next = sequence(this.key.wire, this.mac)
    return (message) => next(message, UnixTime.unsafeNow(this.#clock))
  }
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
  {
    /** At once, unless the key has to be looked for in the store or a refusal is logged. */
    readonly open: (request: Message) => Authentication | Effect.Effect<Authentication>
  }
>() {
  static readonly layer = Layer.effect(
    SignedExchange,
    Effect.gen(function* () {
      const keys = yield* TsigKeys
      const { udpPayload } = yield* DnsConfig
      const clock = yield* Effect.clock
      const now = () => UnixTime.unsafeNow(clock)

      const settle = (request: Message, tsig: TsigRecord, { key, outcome }: Attempt) => {
        if (outcome._tag === "Verified")
          return key === undefined
            ? Effect.dieMessage("verified without a key")
            : new Verified(key, tsig, clock)
        return Effect.as(
          Effect.logDebug("TSIG not accepted", { reason: outcome._tag }),
          rejected(refusal(request, tsig, outcome, { now: now(), udpPayload }), outcomeOf(outcome))
        )
      }

      const open = (request: Message): Authentication | Effect.Effect<Authentication> => {
        const found = findTsig(request)
        if (Either.isLeft(found))
          return rejected(bare(request, rcode.FORMERR, false, udpPayload), "formerr")
        const tsig = found.right
        if (tsig === undefined) return unsigned
        const attempt = (): Attempt => {
          const at = now()
          const key = keys.find(tsig.keyName, at)
          return { key, outcome: verify(request, tsig, key?.wire, { now: at }) }
        }
        const first = attempt()
        if (first.outcome._tag !== "BadKey" && first.outcome._tag !== "BadSig")
          return settle(request, tsig, first)
        // The key may have been made, or given a new secret, a moment ago.
        return Effect.flatMap(keys.rereadIfDue(tsig.keyName), () => {
          const settled = settle(request, tsig, attempt())
          return Effect.isEffect(settled) ? settled : Effect.succeed(settled)
        })
      }
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
