/**
 * The way of every DNS message, whatever transport brought it: admission, and then either
 * the kernel's answer at once or a fiber. Plain queries never leave the synchronous part;
 * `DMP_DNS_MAX_CONCURRENCY` bounds the rest, and what is over it is shed and counted.
 */
import { Context, Effect, FiberSet, Layer } from "effect"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import * as Admission from "./Admission.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { countDrop, countOutcome, inFlight, observeLatency } from "./DnsMetrics.ts"
import type { Exchange } from "./Exchange.ts"
import { Responder } from "./Responder.ts"
import { SlowPath } from "./SlowPath.ts"

export interface PipelineShape {
  /** Takes one message; what comes of it, `exchange` is told, at once or later. */
  readonly accept: Admission.Accept<Exchange>
  /** Takes one that another thread has let in and cannot answer at once. */
  readonly acceptAdmitted: Admission.Accept<Exchange>
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
      const security = yield* SecurityLog
      const run = yield* FiberSet.makeRuntime<never, void, never>()
      let working = 0

      const handOver = (message: Buffer, exchange: Exchange) => {
        if (working >= config.maxConcurrency) {
          countDrop("shed")
          exchange.refuse()
          return exchange.done()
        }
        const began = performance.now()
        inFlight.unsafeUpdate(++working, [])
        slow.handle(message, exchange).pipe(
          Effect.map((outcome) => {
            countOutcome(outcome)
            if (outcome === "tsig_failed" && exchange.transport !== "udp")
              security.refused("tsig", exchange.address, `dns/${exchange.transport}`)
          }),
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

      return Pipeline.of({
        accept: yield* Admission.make(kernel, config, handOver),
        acceptAdmitted: handOver,
        inFlight: () => working
      })
    })
  )
}
