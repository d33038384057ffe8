/**
 * Tells the configured secondaries that a zone has changed (RFC 1996): one fiber for each
 * target and zone, so that changes during an attempt coalesce into the next, and a deaf
 * secondary delays nobody else.
 */
import { createSocket } from "node:dgram"
import { isIPv6 } from "node:net"
import { Duration, Effect, Layer, Metric, Option, Queue } from "effect"
import { flag, opcode, rcode, rrClass, type as rrType } from "../wire/Codes.ts"
import * as SecureRandom from "../runtime/SecureRandom.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import * as TsigSign from "../wire/TsigSign.ts"
import { ServedZones, soaRdata, type ServedZone, zoneOf } from "../zone/ServedZones.ts"
import type { ContentChange } from "../zone/LiveZone.ts"
import { ZoneVersions } from "../zone/ZoneVersions.ts"
import { type NotifyTarget, TransferConfig } from "./TransferConfig.ts"

const notifies = Metric.counter("dmp_dns_notify_total", {
  description: "NOTIFY exchanges with secondaries, by result",
  incremental: true
})
const acknowledged = Metric.tagged(notifies, "result", "acknowledged")
const unanswered = Metric.tagged(notifies, "result", "unanswered")

const refused = Metric.tagged(notifies, "result", "refused")

const answers = "answers NOTIFY again"

/**
 * RFC 1996 §3.6: attempts to one version, further and further apart. News ends the pause, so that
 * a secondary that comes back is not left behind for its length.
 */
const maxAttempts = 5
const pauseAfter = (failures: number) => Duration.seconds(2 ** (failures - 1))

const message = (id: number, zone: ServedZone, serial: number): Buffer => {
  const name = Buffer.concat([Buffer.from(zone.apex, "latin1"), Buffer.alloc(1)])
  const soa = soaRdata(zone, serial)
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE((opcode.NOTIFY << 11) | flag.AA, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(1, 6)
  const question = Buffer.alloc(4)
  question.writeUInt16BE(rrType.SOA, 0)
  question.writeUInt16BE(rrClass.IN, 2)
  const answer = Buffer.alloc(12)
  answer.writeUInt16BE(0xc00c, 0)
  answer.writeUInt16BE(rrType.SOA, 2)
  answer.writeUInt16BE(rrClass.IN, 4)
  answer.writeUInt32BE(zone.soa.ttl, 6)
  answer.writeUInt16BE(soa.length, 10)
  return Buffer.concat([header, name, question, answer, soa])
}

/** Sends `request`; succeeds with the code of the answer to it. */
const exchange = (request: Buffer, target: NotifyTarget) =>
  Effect.async<number, "unreachable">((resume) => {
    const socket = createSocket(isIPv6(target.address) ? "udp6" : "udp4")
    socket.on("error", () => resume(Effect.fail("unreachable")))
    socket.on("message", (answer) => {
      if (answer.length < 12 || answer.readUInt16BE(0) !== request.readUInt16BE(0)) return
      const bits = answer.readUInt16BE(2)
      if ((bits & flag.QR) !== 0 && ((bits >> 11) & 0x0f) === opcode.NOTIFY)
        resume(Effect.succeed(bits & 0x0f))
    })
    // Connected, it hears the target alone, and at once that nobody listens there.
    socket.connect(target.port, target.address, () => socket.send(request))
    return Effect.sync(() => socket.close())
  }).pipe(Effect.timeoutFail({ duration: "2 seconds", onTimeout: () => "unreachable" as const }))

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const config = yield* TransferConfig
    const zones = yield* ServedZones
    const versions = yield* ZoneVersions
    const byApex = new Map(zones.map((zone) => [zone.apex, zone]))
    for (const result of [acknowledged, refused, unanswered]) result.register()

    for (const target of config.notify)
      for (const zone of zones) {
        // One place: what is pending is that there is news, not each piece of it.
        const news = yield* Queue.dropping<void>(1)
        const isOf = ({ key }: ContentChange) => zoneOf(byApex, key) === zone
        yield* versions.onClose((_, difference) => {
          // Of what is not known to be elsewhere a secondary is told once more than it need be.
          if (
            difference === undefined ||
            difference.added.some(isOf) ||
            difference.removed.some(isOf)
          )
            news.unsafeOffer(undefined)
        })
        const tell = Effect.gen(function* () {
          const now = yield* UnixTime.now
          const bare = message(SecureRandom.unsafeUint16(), zone, versions.serial())
          const request = Option.match(config.key, {
            onNone: () => bare,
            onSome: (key) => TsigSign.sign(bare, key, { timeSigned: now }).bytes
          })
          return yield* exchange(request, target)
        })
        const who = `secondary ${target.address}:${target.port}`
        const nextNews = Queue.take(news)
        let failures = 0
        /** What the log said last, so that it says each thing once. */
        let told: string = answers
        const say = (what: string) => {
          if (told === what) return Effect.void
          told = what
          const line = `${who} ${what}`
          return what === answers ? Effect.logInfo(line) : Effect.logWarning(line)
        }
        const attempt = tell.pipe(
          Effect.matchEffect({
            onSuccess: (code) => {
              failures = 0
              const heard =
                code === rcode.NOERROR
                  ? Effect.zipRight(Metric.increment(acknowledged), say(answers))
                  : Effect.zipRight(
                      Metric.increment(refused),
                      say(`refuses NOTIFY of ${zone.name} with rcode ${code}`)
                    )
              return Effect.zipRight(heard, nextNews)
            },
            onFailure: () => {
              failures++
              const counted = Metric.increment(unanswered)
              return failures % maxAttempts === 0
                ? counted.pipe(
                    Effect.zipRight(say("does not answer NOTIFY")),
                    Effect.zipRight(nextNews)
                  )
                : Effect.zipRight(
                    counted,
                    Effect.race(Effect.sleep(pauseAfter(failures % maxAttempts)), nextNews)
                  )
            }
          })
        )
        yield* attempt.pipe(
          Effect.catchAllCause((cause) =>
            Effect.zipRight(Effect.logError("NOTIFY failed", cause), nextNews)
          ),
          Effect.forever,
          Effect.annotateLogs({ logger: "dmp.server.dns_server" }),
          Effect.forkScoped
        )
      }
  })
)
