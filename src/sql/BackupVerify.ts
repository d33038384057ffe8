/** Holds an archive to its own manifest: every checksum, every database sound. */
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { Readable } from "node:stream"
import * as FileHash from "../runtime/FileHash.ts"
import { workDirectory } from "./Backup.ts"
import * as BackupArchive from "./BackupArchive.ts"
import { type BackupError, because, refuse } from "./BackupError.ts"
import type { Manifest } from "./BackupManifest.ts"
import * as DatabaseCopy from "./DatabaseCopy.ts"

export interface Verified {
  readonly manifest: Manifest
  /** Holds the files under their names in the manifest until the scope closes. */
  readonly directory: string
}

/** Extracts into a directory below `parent` and checks everything there. */
export const verify = (
  source: Readable,
  parent: string
): Effect.Effect<Verified, BackupError, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* workDirectory(parent)
    const manifest = yield* BackupArchive.extract(source, directory)
    for (const file of manifest.files) {
      const path = join(directory, file.name)
      const { bytes, sha256 } = yield* Effect.mapError(
        FileHash.ofFile(path),
        because(`read ${file.name}`)
      )
      if (sha256 !== file.sha256 || bytes !== file.bytes)
        return yield* refuse(`${file.name} does not have the checksum its manifest gives`)
      if (file.kind === "database") yield* DatabaseCopy.checkIntegrity(path)
    }
    return { manifest, directory }
  })
