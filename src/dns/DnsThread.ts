/**
 * A thread that answers over UDP from the memory of the main thread's zone. Invariant: it
 * changes nothing there, and decides nothing that the main thread would decide otherwise.
 */
import { Cause, Deferred, Effect, Schedule } from "effect"
import type { MessagePort } from "node:worker_threads"
import { collect } from "../runtime/Garbage.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import type { ServedZone, StaticRrset } from "../zone/ServedZones.ts"
import { ZoneReader } from "../zone/ZoneReader.ts"
import * as Admission from "./Admission.ts"
import { countDrop } from "./DnsMetrics.ts"
import * as DnsTally from "./DnsTally.ts"
import { ResponderKernel, type ReplySettings } from "./Responder.ts"
import * as UdpServer from "./UdpServer.ts"
import type { FromWorker, Setup, ToWorker } from "./WorkerProtocol.ts"

/** Between two tallies. */
const second = "1 second"

const buffer = ({ buffer, byteLength, byteOffset }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

const revivedRrset = (rrset: StaticRrset): StaticRrset => ({
  ...rrset,
  rdatas: rrset.rdatas.map(buffer),
  ...(rrset.additional === undefined ? {} : { additional: rrset.additional.map(buffer) })
})

const revivedZone = (zone: ServedZone): ServedZone => ({
  ...zone,
  records: new Map(
    [...zone.records].map(([key, types]) => [
      key,
      new Map([...types].map(([type, rrset]) => [type, revivedRrset(rrset)]))
    ])
  )
})

const revivedSettings = ({ cookieSecrets = [], ...settings }: ReplySettings): ReplySettings => ({
  ...settings,
  cookieSecrets: cookieSecrets.map(buffer)
})

/** Serves until it is told to stop; what was read by then has been answered. */
export const serve = (port: MessagePort, setup: Setup): Effect.Effect<void> => {
  const say = (message: FromWorker) => port.postMessage(message)
  const work = Effect.gen(function* () {
    const clock = yield* Effect.clock
    const stopped = yield* Deferred.make<void>()
    let serial = 0
    let forwarded = 0

    port.on("message", (message: ToWorker) => {
      switch (message._tag) {
        case "Serial":
          serial = message.serial
          return
        case "Done":
          forwarded--
          return
        case "Stop":
          return Deferred.unsafeDone(stopped, Effect.void)
      }
    })

    const clients = new DnsTally.Clients()
    const take = DnsTally.taker(clients)
    const tell = Effect.sync(() => say({ _tag: "Tally", tally: take() }))
    const kernel = new ResponderKernel(
      new ZoneReader(setup.memory),
      setup.zones.map(revivedZone),
      clock,
      () => serial,
      revivedSettings(setup.replies)
    )

    const forward = (message: Buffer, { host, remote }: UdpServer.Datagram) => {
      // The queue to the main thread has no end of its own.
      if (forwarded >= setup.maxForwarded) return countDrop("shed")
      forwarded++
      const { address, port } = remote
      // A copy: what is sent is the whole of what lies under a buffer.
      say({ _tag: "Message", octets: new Uint8Array(message), host, remote: { address, port } })
    }
    const accept = yield* Admission.make(kernel, setup.rates, forward).pipe(
      Effect.provideService(TopTalkers, clients.talkers)
    )

    const answering = Effect.gen(function* () {
      // Runs after the sockets have closed: nothing is counted behind it.
      yield* Effect.addFinalizer(() => tell)
      // Before anybody is given to it.
      yield* collect
      const sockets = yield* Effect.forEach(setup.endpoints, (endpoint) =>
        UdpServer.bind(endpoint, true)
      )
      yield* Effect.forEach(sockets, (socket) => socket.serve({ accept }), { discard: true })
      say({ _tag: "Serving" })
      yield* tell.pipe(Effect.repeat(Schedule.spaced(second)))
    })
    yield* Effect.raceFirst(Effect.scoped(answering), Deferred.await(stopped))
  })
  return work.pipe(
    Effect.catchAll(({ message }) => Effect.sync(() => say({ _tag: "Failed", message }))),
    Effect.catchAllCause((cause) =>
      Effect.sync(() => say({ _tag: "Failed", message: Cause.pretty(cause) }))
    ),
    Effect.ensuring(Effect.sync(() => port.close()))
  )
}
