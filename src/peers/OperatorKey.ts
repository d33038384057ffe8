/** The file with the operator's signing key. Its 32 octets are the Ed25519 seed itself. */
import { Data, Effect } from "effect"
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"

export class BadKeyFile extends Data.TaggedError("BadKeyFile")<{
  /** Names the file, never its content. */
  readonly message: string
}> {}

/** 32 raw octets, or 64 hex digits with white space around them. Raw octets are never trimmed. */
export const parse = (octets: Uint8Array): Uint8Array | undefined => {
  if (octets.length === 32) return octets
  const text = Buffer.from(octets).toString("latin1").trim()
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : undefined
}

/** The seed in the file at `path`; a leading `~` is the home directory. */
export const read = (path: string): Effect.Effect<Uint8Array, BadKeyFile> =>
  Effect.tryPromise({
    try: () => readFile(path.replace(/^~(?=\/|$)/, homedir())),
    catch: (error) =>
      new BadKeyFile({
        message: `${path} cannot be read: ${error instanceof Error ? error.message : "?"}`
      })
  }).pipe(
    Effect.flatMap((octets) => {
      const seed = parse(octets)
      return seed === undefined
        ? Effect.fail(
            new BadKeyFile({ message: `${path} holds neither 32 bytes nor 64 hex digits` })
          )
        : Effect.succeed(seed)
    })
  )
