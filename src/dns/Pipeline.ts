/**
 * The way of every DNS message, whatever transport brought it: admission, and then the kernel's
 * answer at once, an UPDATE's when it is durable, or a fiber. Plain queries never leave the
 * synchronous part; `DMP_DNS_MAX_CONCURRENCY` bounds the rest, and what is over it is shed and
 * counted.
 */
import { Context, Effect, FiberSet, Layer } from "effect"
import { contained } from "../runtime/Contained.ts"
import { SecurityLog } from "../runtime/SecurityLog.ts"
import { opcode } from "../wire/Codes.ts"
import { readHeader } from "../wire/Message.ts"
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
  /** Messages being worked on that could not be answered at once. */
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

      /** Gives the place of a message back, once. */
      const placeOf = (exchange: Exchange): (() => void) => {
        const began = performance.now()
        let given = false
        inFlight.unsafeUpdate(++working, [])
        return () => {
          if (given) return
          given = true
          inFlight.unsafeUpdate(--working, [])
          observeLatency((performance.now() - began) / 1000)
          exchange.done()
        }
      }

      const count = (outcome: string, { address, transport }: Exchange): void => {
        countOutcome(outcome)
        if (outcome === "tsig_failed" && transport !== "udp")
          security.refused("tsig", address, `dns/${transport}`)
      }

      const fail = (message: Buffer, exchange: Exchange, cause: unknown): Effect.Effect<void> =>
        Effect.zipRight(
          Effect.sync(() => {
            countOutcome("servfail")
            exchange.send(kernel.failure(message, "servfail"))
          }),
          Effect.logError("a DNS message met a defect", cause)
        )

      const update = (message: Buffer, exchange: Exchange, end: () => void): void => {
        const failed = (defect: unknown) => void run(fail(message, exchange, defect))
        const conclude: Parameters<typeof slow.update>[2] = ({ outcome, reply }) => {
          contained(() => {
            if (reply !== undefined) exchange.send(reply)
            count(outcome, exchange)
          }, failed)
          end()
        }
        contained(
          () => slow.update(message, exchange, conclude),
          (defect) => {
            failed(defect)
            end()
          }
        )
      }

      const others = (message: Buffer, exchange: Exchange, end: () => void): void =>
        void slow.handle(message, exchange).pipe(
          Effect.map((outcome) => count(outcome, exchange)),
          Effect.catchAllCause((cause) => fail(message, exchange, cause)),
          Effect.ensuring(Effect.sync(end)),
          run
        )

      const handOver = (message: Buffer, exchange: Exchange) => {
        if (working >= config.maxConcurrency) {
          countDrop("shed")
          exchange.refuse()
          return exchange.done()
        }
        const isUpdate = readHeader(message)?.opcode === opcode.UPDATE
        ;(isUpdate ? update : others)(message, exchange, placeOf(exchange))
      }

      return Pipeline.of({
        accept: yield* Admission.make(kernel, config, handOver),
        acceptAdmitted: handOver,
        inFlight: () => working
      })
    })
  )
}
