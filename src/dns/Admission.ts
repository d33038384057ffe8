/**
 * The first half of every DNS message's way, on whatever thread: verdict, limiter, and the
 * kernel's answer at once. What cannot be answered at once is handed over. Synchronous.
 */
import { Effect } from "effect"
import { limiterKey } from "../runtime/IpAddress.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import * as TrustedProxies from "../runtime/TrustedProxies.ts"
import { type as rrType } from "../wire/Codes.ts"
import type { Verdict } from "../wire/Query.ts"
import type { DnsConfigShape } from "./DnsConfig.ts"
import {
  countDrop,
  countMessage,
  countOutcome,
  countRequest,
  countTruncated,
  observeLatency,
  observeRequestSize,
  observeResponseSize
} from "./DnsMetrics.ts"
import type { Exchange, Transport } from "./Exchange.ts"
import type { ResponderKernel } from "./Responder.ts"

/** One plain query in this many is timed and measured. */
const latencySample = 16

// Every second limited query gets an empty answer with TC: an honest client behind a busy
// resolver then comes over TCP, where nobody can forge its address.
const slip = 2

/**
 * So many times the limit is what a client gets whose cookie shows that nobody forges its
 * address: more than a busy resolver asks, and still an end to what one client can take.
 */
export const provenFactor = 20

export type RateSettings = Pick<DnsConfigShape, "rate" | "burst" | "rateExempt" | "workers">

// The kernel spreads the ports of one address over the threads, each with buckets of its own:
// together they let in what one thread would.
const share = ({ burst, rate, workers }: RateSettings): RateLimiter.BucketOptions => ({
  rate: rate / workers,
  burst: burst <= 0 ? burst : Math.max(1, burst / workers)
})

/** UDP has buckets of its own, so that who is told to come over TCP gets through there. */
const limiters = (
  settings: RateSettings,
  factor: number
): Effect.Effect<Readonly<Record<Transport, RateLimiter.RateLimiter>>> => {
  const times = ({ burst, rate }: RateLimiter.BucketOptions) =>
    RateLimiter.make({ rate: rate * factor, burst: burst * factor })
  return Effect.map(Effect.all([times(share(settings)), times(settings)]), ([udp, tcp]) => ({
    udp,
    tcp,
    tls: tcp,
    https: tcp
  }))
}

/** What takes in one message; `exchange` is told what comes of it, at once or later. */
export type Accept<E extends Exchange> = (message: Buffer, exchange: E) => void

/** `handOver` gets UPDATE, what is signed, and zone transfers; it ends the exchange. */
export const make = <E extends Exchange>(
  kernel: ResponderKernel,
  settings: RateSettings,
  handOver: Accept<E>
): Effect.Effect<Accept<E>> =>
  Effect.gen(function* () {
    const talkers = yield* TopTalkers
    const security = yield* SecurityLog
    const anyone = yield* limiters(settings, 1)
    const proven = yield* limiters(settings, provenFactor)
    const unlimited = settings.rate <= 0 || settings.burst <= 0
    const exempt = TrustedProxies.within(settings.rateExempt)
    let sample = 0
    let limited = 0

    const answer = (message: Buffer, verdict: Verdict, exchange: E) => {
      const timed = ++sample % latencySample === 0
      const began = timed ? performance.now() : 0
      const reply = kernel.reply(message, verdict, exchange)
      countOutcome(kernel.outcome)
      if (kernel.truncated) countTruncated(exchange.transport)
      if (reply !== undefined) exchange.send(reply)
      if (!timed) return
      observeLatency((performance.now() - began) / 1000)
      observeRequestSize(exchange.transport, message.length)
      if (reply !== undefined) observeResponseSize(exchange.transport, reply.length)
      talkers.asked(exchange.address, latencySample)
    }

    const limit = (message: Buffer, verdict: Verdict, exchange: E) => {
      const { address, transport } = exchange
      countOutcome("rate_limited")
      talkers.refused("dns", address)
      if (transport === "udp") {
        // What clients send once and never again is always told to come over TCP; twelve
        // octets go back to whoever it was.
        const told =
          verdict === "update" ||
          (verdict === "query" && kernel.knowsCookies && !kernel.proven) ||
          ((verdict === "query" || verdict === "signed") && ++limited % slip === 0)
        if (told) return exchange.send(kernel.retry(message, transport))
      }
      // What came by HTTPS the HTTP front reports, whose answer it becomes.
      else if (transport !== "https") security.refused("limit", address, `dns/${transport}`)
      countDrop("rate_limited")
      exchange.refuse()
    }

    /** True when the client may ask once more. */
    const charge = (exchange: E): boolean => {
      const { address, transport } = exchange
      const bucket = (kernel.proven ? proven : anyone)[transport]
      const key = limiterKey(address)
      const free = exempt(address)
      const allowed = bucket.allow(key) || free
      exchange.charged?.(free ? undefined : bucket.standing(key))
      return allowed
    }

    return (message, exchange) => {
      const { address, transport } = exchange
      countMessage(transport)
      const verdict = kernel.read(message, address)
      if (verdict === "drop") {
        countDrop("response")
        return exchange.done()
      }
      countRequest(transport, address, askedIn(verdict, kernel.reader.type))
      const allowed = unlimited || charge(exchange)
      if (allowed && isSlow(verdict, kernel.reader.type)) return handOver(message, exchange)
      if (allowed) answer(message, verdict, exchange)
      else limit(message, verdict, exchange)
      exchange.done()
    }
  })

/** The type a message asks for, where it could be read. */
const askedIn = (verdict: Verdict, type: number): number | "update" | undefined =>
  verdict === "query" || verdict === "signed" || verdict === "badvers"
    ? type
    : verdict === "update"
      ? "update"
      : undefined

const isSlow = (verdict: Verdict, type: number): boolean =>
  verdict === "update" ||
  verdict === "signed" ||
  (verdict === "query" && (type === rrType.AXFR || type === rrType.IXFR))
