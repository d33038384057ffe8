/** The node is ready only while the disk under its data has room for more. */
import { Effect, Layer, Metric, Option } from "effect"
import { statfs } from "node:fs/promises"
import { Readiness } from "./Readiness.ts"

export interface DiskSpaceOptions {
  /** Any existing path on the disk meant. */
  readonly path: string
  /** Octets that must be free to this user. */
  readonly atLeast: number
}

const freshness = "5 seconds"
const mebi = 1024 * 1024

const freeBytes = Metric.gauge("dmp_disk_free_bytes", {
  description: "Room on the disk under the databases that the node may still use, in bytes"
})
const sizeBytes = Metric.gauge("dmp_disk_size_bytes", {
  description: "Size of the disk under the databases, in bytes"
})

/** Octets free at `path`, or nothing where the system does not say; the gauges follow. */
const freeAt = (path: string): Effect.Effect<Option.Option<number>> =>
  Effect.option(
    Effect.map(
      Effect.tryPromise(() => statfs(path)),
      ({ bavail, blocks, bsize }) => {
        freeBytes.unsafeUpdate(bavail * bsize, [])
        sizeBytes.unsafeUpdate(blocks * bsize, [])
        return bavail * bsize
      }
    )
  )

export const layer = ({ atLeast, path }: DiskSpaceOptions) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const readiness = yield* Readiness
      const run = yield* Effect.cachedWithTTL(
        Effect.flatMap(freeAt(path), (free) =>
          Option.isNone(free)
            ? Effect.fail("unknown")
            : free.value < atLeast
              ? Effect.fail(`${Math.floor(free.value / mebi)} MiB free`)
              : Effect.void
        ),
        freshness
      )
      yield* readiness.register({ name: "disk", run })
    })
  )
