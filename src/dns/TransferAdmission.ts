/**
 * Who may transfer the zones, and whose replies the transfer key signs: by address, by key, or by
 * both where both are configured. Pure.
 */
import { Either, Option } from "effect"
import * as TrustedProxies from "../runtime/TrustedProxies.ts"
import { rcode } from "../wire/Codes.ts"
import type * as Message from "../wire/Message.ts"
import * as Tsig from "../wire/Tsig.ts"
import * as TsigSign from "../wire/TsigSign.ts"
import * as TsigVerify from "../wire/TsigVerify.ts"
import type { Exchange } from "./Exchange.ts"
import type { TransferConfigShape } from "./TransferConfig.ts"
import { bare, outcomeOf, refusal } from "./TsigRefusal.ts"

export interface Refusal {
  /** For the counters. */
  readonly outcome: string
  readonly reply: Buffer
}

export type Sign = (message: Buffer, now: number) => Buffer
const unsigned: Sign = (message) => message

export interface Signer {
  /** Octets a signature adds. */
  readonly overhead: number
  readonly seal: (reply: Buffer) => Buffer
}

/** The MAC of a query that `key` has signed, or how to refuse it. */
const verified = (
  query: Message.Message,
  tsig: Tsig.TsigRecord,
  key: Tsig.Key,
  now: number,
  udpPayload: number
): Either.Either<Buffer, Refusal> => {
  const outcome = TsigVerify.verify(query, tsig, key, { now })
  return outcome._tag === "Verified"
    ? Either.right(outcome.mac)
    : Either.left({
        outcome: outcomeOf(outcome),
        reply: refusal(query, tsig, outcome, { now, udpPayload })
      })
}

export const make = (config: TransferConfigShape, udpPayload: number) => {
  const allowed = Either.getOrElse(TrustedProxies.make(config.allow), () => () => false)

  const refusing = (query: Message.Message, code: number): Refusal => ({
    outcome: code === rcode.REFUSED ? "refused" : code === rcode.NOTAUTH ? "notauth" : "formerr",
    reply: bare(query, code, true, udpPayload)
  })

  const admit = (
    query: Message.Message,
    exchange: Exchange,
    now: number
  ): Either.Either<Sign, Refusal> => {
    const known = config.allow.length > 0 && allowed(exchange.address)
    const key = Option.getOrUndefined(config.key)
    if (config.allow.length > 0 ? !known : key === undefined)
      return Either.left(refusing(query, rcode.REFUSED))
    if (key === undefined) return Either.right(unsigned)
    const found = Tsig.find(query)
    if (Either.isLeft(found)) return Either.left(refusing(query, rcode.FORMERR))
    return found.right === undefined
      ? Either.left(refusing(query, rcode.REFUSED))
      : Either.map(verified(query, found.right, key, now, udpPayload), (mac) =>
          TsigSign.sequence(key, mac)
        )
  }

  const signer = (query: Message.Message, now: number) =>
    Option.gen(function* () {
      const key = yield* config.key
      const found = yield* Either.getRight(Tsig.find(query))
      const tsig = yield* Option.fromNullable(found)
      if (tsig.keyName !== key.name) return yield* Option.none()
      return Either.mapBoth(verified(query, tsig, key, now, udpPayload), {
        onLeft: (refused) => refused,
        onRight: (priorMac) => ({
          overhead: TsigSign.overhead(key),
          seal: (answer: Buffer) => TsigSign.sign(answer, key, { timeSigned: now, priorMac }).bytes
        })
      })
    })

  return { admit, refusing, signer }
}
