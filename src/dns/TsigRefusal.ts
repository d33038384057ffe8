/**
 * The whole reply to a request whose TSIG record does not hold (RFC 8945 §5.2, §5.3.2): NOTAUTH
 * with a TSIG record that says why, or FORMERR where it cannot be read. Pure.
 */
import { Either, Option } from "effect"
import { rcode } from "../wire/Codes.ts"
import { findOpt, type Message } from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import type { TsigRecord } from "../wire/Tsig.ts"
import { refuse, sign } from "../wire/TsigSign.ts"
import type { TsigOutcome } from "../wire/TsigVerify.ts"

export type Failed = Exclude<TsigOutcome, { readonly _tag: "Verified" }>

/**
 * For the counters. Who signs with the right key and a wrong clock is no stranger, and told
 * apart from those who have no key.
 */
export const outcomeOf = ({ _tag }: Failed): "formerr" | "tsig_time" | "tsig_failed" =>
  _tag === "Malformed" ? "formerr" : _tag === "BadTime" ? "tsig_time" : "tsig_failed"

export interface RefusalOptions {
  /** Unix seconds. */
  readonly now: number
  /** Octets; said where the request has EDNS. */
  readonly udpPayload: number
}

/** What a client without EDNS takes over UDP (RFC 1035 §4.2.1). */
const plainUdp = 512

/** A reply of `code` without a signature. */
export const bare = (
  request: Message,
  code: number,
  withQuestion: boolean,
  udpPayload: number
): Buffer =>
  reply(request.bytes, {
    rcode: code,
    questionsEnd: withQuestion ? request.questionsEnd : undefined,
    ednsPayload: Either.match(findOpt(request), {
      onLeft: () => undefined,
      onRight: (opt) => (opt === undefined ? undefined : udpPayload)
    })
  })

export const refusal = (
  request: Message,
  tsig: TsigRecord,
  failed: Failed,
  { now, udpPayload }: RefusalOptions
): Buffer => {
  const signed = (withQuestion: boolean): Option.Option<Buffer> => {
    const message = bare(request, rcode.NOTAUTH, withQuestion, udpPayload)
    switch (failed._tag) {
      case "Malformed":
        return Option.some(bare(request, rcode.FORMERR, false, udpPayload))
      case "BadKey":
      case "BadSig": {
        const error = failed._tag === "BadKey" ? rcode.BADKEY : rcode.BADSIG
        return Either.getRight(refuse(message, tsig, { timeSigned: now, error }))
      }
      case "BadTrunc":
        return Option.some(
          sign(message, failed.key, {
            timeSigned: now,
            priorMac: failed.mac,
            error: rcode.BADTRUNC
          }).bytes
        )
      case "BadTime": {
        // The client's own time, so that it can check the MAC, and ours beside it
        // (RFC 8945 §5.2.3).
        const other = Buffer.alloc(6)
        other.writeUIntBE(now, 0, 6)
        return Option.some(
          sign(message, failed.key, {
            timeSigned: tsig.timeSigned,
            fudge: tsig.fudge,
            priorMac: failed.mac,
            error: rcode.BADTIME,
            other
          }).bytes
        )
      }
    }
  }
  // Names in the request can be longer than what any client is sure to take.
  const fits = (message: Buffer) => message.length <= plainUdp
  return Option.filter(signed(true), fits).pipe(
    Option.orElse(() => Option.filter(signed(false), fits)),
    Option.getOrElse(() => bare(request, rcode.NOTAUTH, false, udpPayload))
  )
}
