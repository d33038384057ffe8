/** The SHA-256 of a file, read as a stream, so that its size does not matter. */
import { Data, Effect } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"

export interface FileHash {
  /** Lower-case hex. */
  readonly sha256: string
  /** Octets. */
  readonly bytes: number
}

export class FileUnreadable extends Data.TaggedError("FileUnreadable")<{
  readonly message: string
}> {}

export const ofFile = (path: string): Effect.Effect<FileHash, FileUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const hash = createHash("sha256")
      let bytes = 0
      for await (const chunk of createReadStream(path)) {
        const octets: Buffer = chunk
        hash.update(octets)
        bytes += octets.length
      }
      return { sha256: hash.digest("hex"), bytes }
    },
    catch: (error) =>
      new FileUnreadable({ message: error instanceof Error ? error.message : String(error) })
  })
