/**
 * The way of every DNS message, whatever transport brought it: limiter, verdict, and then
 * either the kernel's answer at once or a fiber. Plain queries never leave the synchronous
 * part; `DMP_DNS_MAX_CONCURRENCY` bounds the rest, and what is over it is shed and counted.
 */
import { Context, Effect, FiberSet, Layer } from "effect"
import { limiterKey } from "../runtime/IpAddress.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
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
import { Responder } from "./Responder.ts"
import { SlowPath, type Source } from "./SlowPath.ts"

/** One plain query in this many is timed. */
const latencySample = 16

// Every second limited query gets an empty answer with TC: an honest client behind a busy
// resolver then comes over TCP, where nobody can forge its address.
const slip = 2

export interface PipelineShape {
  /**
   * Takes one message. `send` is called with each reply, at once or later; `refuse`, when given,
   * if the limiter refuses the source or there is no room for the message; `done`, when given,
   * in every case once nothing more will be sent.
   */
  readonly accept: (
    message: Buffer,
    source: Source,
    send: (reply: Buffer) => void,
    refuse?: () => void,
    done?: () => void
  ) => void
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
      const limiters = {
        udp: yield* RateLimiter.make(config),
        tcp: yield* RateLimiter.make(config)
      }
      const run = yield* FiberSet.makeRuntime<never, void, never>()
      let working = 0
      let sample = 0
      let limited = 0

      const handOver = (
        message: Buffer,
        source: Source,
        send: (reply: Buffer) => void,
        refuse?: () => void,
        done?: () => void
      ) => {
        if (working >= config.maxConcurrency) {
          countDrop("shed")
          refuse?.()
          return done?.()
        }
        const began = performance.now()
        inFlight.unsafeUpdate(++working, [])
        const handled = slow.handle(message, source).pipe(
          Effect.map(({ replies, outcome }) => {
            countOutcome(outcome)
            for (const reply of replies) send(reply)
          }),
          Effect.catchAllCause((cause) =>
            Effect.zipRight(
              Effect.sync(() => {
                countOutcome("servfail")
                send(kernel.failure(message, "servfail"))
              }),
              Effect.logError("a DNS message met a defect", cause)
            )
          ),
          Effect.ensuring(
            Effect.sync(() => {
              inFlight.unsafeUpdate(--working, [])
              observeLatency((performance.now() - began) / 1000)
              done?.()
            })
          )
        )
        run(handled)
      }

      const accept: PipelineShape["accept"] = (message, source, send, refuse, done) => {
        const { transport } = source
        countMessage(transport)
        const allowed = limiters[transport].allow(limiterKey(source.address))
        const verdict = kernel.reader.read(message)
        if (allowed && (verdict === "update" || verdict === "signed"))
          return handOver(message, source, send, refuse, done)
        if (verdict === "drop") countDrop("response")
        else if (allowed) answer(message, verdict, source, send)
        else {
          countOutcome("rate_limited")
          if (transport === "udp" && verdict === "query" && ++limited % slip === 0)
            send(kernel.truncation(message))
          else {
            countDrop("rate_limited")
            refuse?.()
          }
        }
        done?.()
      }

      const answer = (
        message: Buffer,
        verdict: Verdict,
        source: Source,
        send: (reply: Buffer) => void
      ) => {
        const timed = ++sample % latencySample === 0
        const began = timed ? performance.now() : 0
        const reply = kernel.reply(message, verdict, source)
        countOutcome(kernel.outcome)
        if (kernel.truncated) countTruncated(source.transport)
        if (reply !== undefined) send(reply)
        if (timed) observeLatency((performance.now() - began) / 1000)
      }
      return Pipeline.of({ accept, inFlight: () => working })
    })
  )
}
