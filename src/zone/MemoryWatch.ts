/** Says in time that the memory of the zone comes to its end, and when it no longer does. */
import { Effect, Layer, Schedule } from "effect"
import { AnswerIndex } from "./AnswerIndex.ts"

/** Shares of the limit above which it is said, and below which it is over. */
const high = 0.9
const low = 0.85

const mebi = (octets: number): number => Math.round(octets / 2 ** 20)

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const zone = yield* AnswerIndex
    let said = false
    yield* Effect.suspend(() => {
      const { limit, octets } = zone.room()
      if (said ? octets >= limit * low : octets <= limit * high) return Effect.void
      said = !said
      return said
        ? Effect.logWarning(
            `the live zone takes ${mebi(octets)} of ${mebi(limit)} MiB: ` +
              "at the end of them no record is let in that is not held already"
          )
        : Effect.logInfo(`the live zone takes ${mebi(octets)} of ${mebi(limit)} MiB again`)
    }).pipe(
      Effect.annotateLogs({ logger: "dmp.server.node" }),
      Effect.repeat(Schedule.spaced("10 seconds")),
      Effect.forkScoped
    )
  })
)
