/**
 * Threads that answer over UDP beside the main one (`DMP_DNS_WORKERS`), from the same memory:
 * a change is theirs in the moment it is made. Writes and all else stay on the main thread.
 * Invariant: a thread that ends is replaced, and until then the kernel gives its clients to the
 * others.
 */
import { Context, Duration, Effect, Layer, Metric, type Scope } from "effect"
import { Readiness } from "../runtime/Readiness.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { ServedZones } from "../zone/ServedZones.ts"
import { ZoneVersions } from "../zone/ZoneVersions.ts"
import { DnsConfig } from "./DnsConfig.ts"
import { DnsListeners } from "./DnsServer.ts"
import * as DnsTally from "./DnsTally.ts"
import { Pipeline } from "./Pipeline.ts"
import { Responder } from "./Responder.ts"
import type { Setup } from "./WorkerProtocol.ts"
import * as WorkerThread from "./WorkerThread.ts"

/** Between two looks at a thread. It speaks every second, or it is stuck. */
const watch = "1 second"
const patience = 10
/** A start has libraries to load, on a machine that may be busy. */
const startPatience = 60

/** A thread that has served this long in ms starts again at once when it ends. */
const settled = 30_000
const firstDelay = 100
const longestDelay = 30_000

const answered = Metric.counter("dmp_dns_thread_messages_total", {
  description: "DNS messages received over UDP, by thread that answers beside the main one",
  incremental: true
})
const ended = Metric.counter("dmp_dns_thread_restarts_total", {
  description: "Threads answering over UDP that ended by themselves and were started again",
  incremental: true
})

export interface ThreadState {
  readonly name: string
  readonly serving: boolean
  /** Messages it has told of, over all its lives. */
  readonly messages: number
  /** Times it has ended by itself. */
  readonly ended: number
}

export class Workers extends Context.Tag("dnsmesh/dns/Workers")<
  Workers,
  { readonly threads: () => ReadonlyArray<ThreadState> }
>() {
  /** `entry` is the module each thread runs. */
  static readonly layerOf = (entry: URL) =>
    Layer.scoped(
      Workers,
      Effect.gen(function* () {
        const config = yield* DnsConfig
        const listeners = yield* DnsListeners
        const kernel = yield* Responder
        const pipeline = yield* Pipeline
        const talkers = yield* TopTalkers
        const { memory } = yield* AnswerIndex
        const versions = yield* ZoneVersions
        const setup: Setup = {
          endpoints: listeners.udp.map(({ host, ipv6Only, port }) => ({ host, ipv6Only, port })),
          replies: kernel.settings,
          rates: {
            rate: config.rate,
            burst: config.burst,
            rateExempt: config.rateExempt,
            workers: config.workers
          },
          zones: yield* ServedZones,
          memory,
          maxForwarded: config.maxConcurrency
        }
        const exchanges = new Map(listeners.udp.map(({ exchange, host }) => [host, exchange]))
        const threads = Array.from({ length: config.workers - 1 }, (_, i) => ({
          name: `dns-${i + 1}`,
          serving: false,
          servingSince: 0,
          messages: 0,
          ended: 0,
          failures: 0
        }))
        type Slot = (typeof threads)[number]

        const heard = (slot: Slot): WorkerThread.Heard => {
          const count = Metric.tagged(answered, "thread", slot.name)
          count.register()
          return {
            serving: () => {
              slot.serving = true
              slot.servingSince = performance.now()
            },
            message: ({ host, octets, remote }, done) => {
              // Both sockets have the same address and port: the client cannot tell them apart.
              const exchange = exchanges.get(host)?.(remote, done)
              if (exchange === undefined) done()
              else pipeline.acceptAdmitted(Buffer.from(octets.buffer), exchange)
            },
            tally: (tally) => {
              for (const [family, , by] of tally.counts)
                if (family === "dmp_dns_messages_total") {
                  slot.messages += by
                  count.unsafeUpdate(by, [])
                }
              DnsTally.add(tally, talkers)
            }
          }
        }

        /** One life of a thread; fails with the reason of its end. */
        const life = (slot: Slot): Effect.Effect<never, string, Scope.Scope> =>
          Effect.gen(function* () {
            const thread = yield* WorkerThread.start({
              entry,
              name: slot.name,
              setup,
              heard: heard(slot)
            })
            yield* versions.onClose((serial) => thread.tell({ _tag: "Serial", serial }))
            thread.tell({ _tag: "Serial", serial: versions.serial() })
            const stuck = Effect.sync(() => thread.silences()).pipe(
              Effect.delay(watch),
              Effect.repeat({
                until: (silences) => silences >= (slot.serving ? patience : startPatience)
              }),
              Effect.zipRight(thread.kill),
              Effect.zipRight(Effect.never)
            )
            return yield* Effect.raceFirst(thread.died, stuck)
          })

        const keep = (slot: Slot) =>
          Effect.scoped(life(slot)).pipe(
            Effect.catchAll((reason) => {
              const lived = slot.serving ? performance.now() - slot.servingSince : 0
              slot.failures = lived >= settled ? 1 : slot.failures + 1
              slot.serving = false
              slot.ended++
              ended.unsafeUpdate(1, [])
              const delay = Math.min(longestDelay, firstDelay * 2 ** (slot.failures - 1))
              return Effect.logError(`the DNS thread ${slot.name} ended: ${reason}`).pipe(
                Effect.zipRight(Effect.sleep(Duration.millis(delay)))
              )
            }),
            Effect.forever
          )

        if (threads.length > 0) {
          ended.register()
          const readiness = yield* Readiness
          yield* readiness.register({
            name: "dns-workers",
            run: Effect.suspend(() => {
              const serving = threads.filter((slot) => slot.serving).length
              return serving === threads.length
                ? Effect.void
                : Effect.fail(`${serving} of ${threads.length} threads answer`)
            })
          })
          yield* Effect.forEach(threads, (slot) => Effect.forkScoped(keep(slot)), {
            discard: true
          }).pipe(Effect.annotateLogs({ logger: "dmp.server.dns_server" }))
        }
        return Workers.of({ threads: () => threads })
      })
    )

  static readonly layer = Workers.layerOf(WorkerThread.dnsThreadMain)
}
