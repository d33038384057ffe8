/**
 * The way of every DNS message, whatever transport brought it: verdict, limiter, and then
 * either the kernel's answer at once or a fiber. Plain queries never leave the synchronous
 * part; `DMP_DNS_MAX_CONCURRENCY` bounds the rest, and what is over it is shed and counted.
 */
import { Context, Effect, Either, FiberSet, Layer } from "effect"
import { limiterKey } from "../runtime/IpAddress.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import * as TrustedProxies from "../runtime/TrustedProxies.ts"
import { type as rrType } from "../wire/Codes.ts"
import type { Verdict } from "../wire/Query.ts"
import { DnsConfig } from "./DnsConfig.ts"
import {
  countDrop,
  countMessage,
  countOutcome,
  countTruncated,
  inFlight,
  observeLatency
} from "./DnsMetrics.ts"
import type { Exchange, Transport } from "./Exchange.ts"
import { Responder } from "./Responder.ts"
import { SlowPath } from "./SlowPath.ts"

/** One plain query in this many is timed. */
const latencySample = 16

// Every second limited query gets an empty answer with TC: an honest client behind a busy
// resolver then comes over TCP, where nobody can forge its address.
const slip = 2

export interface PipelineShape {
  /** Takes one message; what comes of it, `exchange` is told, at once or later. */
  readonly accept: (message: Buffer, exchange: Exchange) => void
  /** Messages a fiber is working on. */
  readonly inFlight: () => number
}

export class Pipeline extends Context.Tag("dnsmesh/dns/Pipeline")<Pipeline, PipelineShape>() {
  static readonly layer = Layer.scoped(
    Pipeline,
    Effect.gen(function* () {
      const config = yield* DnsConfig
      const kernel = yield* Responder
      const slow = yield* SlowPath
      const talkers = yield* TopTalkers
      const udp = yield* RateLimiter.make(config)
      const tcp = yield* RateLimiter.make(config)
      const limiters: Readonly<Record<Transport, RateLimiter.RateLimiter>> = {
        udp,
        tcp,
        tls: tcp,
        https: tcp
      }
      const exempt =
        config.rateExempt.length === 0
          ? () => false
          : Either.getOrElse(TrustedProxies.make(config.rateExempt), () => () => false)
      const run = yield* FiberSet.makeRuntime<never, void, never>()
      let working = 0
      let sample = 0
      let limited = 0

      const handOver = (message: Buffer, exchange: Exchange) => {
        if (working >= config.maxConcurrency) {
          countDrop("shed")
          exchange.refuse()
          return exchange.done()
        }
        const began = performance.now()
        inFlight.unsafeUpdate(++working, [])
        slow.handle(message, exchange).pipe(
          Effect.map(countOutcome),
          Effect.catchAllCause((cause) =>
            Effect.zipRight(
              Effect.sync(() => {
                countOutcome("servfail")
                exchange.send(kernel.failure(message, "servfail"))
              }),
              Effect.logError("a DNS message met a defect", cause)
            )
          ),
          Effect.ensuring(
            Effect.sync(() => {
              inFlight.unsafeUpdate(--working, [])
              observeLatency((performance.now() - began) / 1000)
              exchange.done()
            })
          ),
          run
        )
      }

      const answer = (message: Buffer, verdict: Verdict, exchange: Exchange) => {
        const timed = ++sample % latencySample === 0
        const began = timed ? performance.now() : 0
        const reply = kernel.reply(message, verdict, exchange)
        countOutcome(kernel.outcome)
        if (kernel.truncated) countTruncated(exchange.transport)
        if (reply !== undefined) exchange.send(reply)
        if (timed) observeLatency((performance.now() - began) / 1000)
      }

      const limit = (message: Buffer, verdict: Verdict, exchange: Exchange) => {
        const { address, transport } = exchange
        countOutcome("rate_limited")
        talkers.refused("dns", address)
        if (transport === "udp") {
          // What clients send once and never again is always told to come over TCP; twelve
          // octets go back to whoever it was.
          const told =
            verdict === "update" ||
            (verdict === "query" && kernel.knowsCookies) ||
            ((verdict === "query" || verdict === "signed") && ++limited % slip === 0)
          if (told) return exchange.send(kernel.retry(message, transport))
        }
        countDrop("rate_limited")
        exchange.refuse()
      }

      const accept = (message: Buffer, exchange: Exchange) => {
        const { address, transport } = exchange
        countMessage(transport)
        const verdict = kernel.read(message, address)
        if (verdict === "drop") {
          countDrop("response")
          return exchange.done()
        }
        const allowed =
          kernel.proven || limiters[transport].allow(limiterKey(address)) || exempt(address)
        if (allowed && isSlow(verdict, kernel.reader.type)) return handOver(message, exchange)
        if (allowed) answer(message, verdict, exchange)
        else limit(message, verdict, exchange)
        exchange.done()
      }
      return Pipeline.of({ accept, inFlight: () => working })
    })
  )
}

const isSlow = (verdict: Verdict, type: number): boolean =>
  verdict === "update" ||
  verdict === "signed" ||
  (verdict === "query" && (type === rrType.AXFR || type === rrType.IXFR))
