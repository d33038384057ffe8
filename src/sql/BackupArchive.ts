/**
 * An archive as a stream of bytes: a tar file, compressed or not, with the manifest in front.
 * Invariant: reading writes nothing but the files its manifest lists, at the sizes it lists.
 */
import { Effect } from "effect"
import { packTar } from "modern-tar/fs"
import { createTarDecoder } from "modern-tar"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { PassThrough, Readable, type Transform, type Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib"
import { attempt, BackupError, because, refuse } from "./BackupError.ts"
import * as BackupManifest from "./BackupManifest.ts"

export type Compression = "gzip" | "zstd" | "none"

/** The usual ending of an archive's name. */
export const suffix: Readonly<Record<Compression, string>> = {
  gzip: ".tar.gz",
  zstd: ".tar.zst",
  none: ".tar"
}

const compressor: Readonly<Record<Compression, () => Transform>> = {
  gzip: () => createGzip({ level: 6 }),
  zstd: () => createZstdCompress(),
  none: () => new PassThrough()
}

/** No manifest of ours is near this. Octets. */
const maxManifestBytes = 1024 * 1024

/** Writes the manifest and the files it lists, which lie under `directory`, to `sink`. */
export const write = (
  manifest: BackupManifest.Manifest,
  directory: string,
  compression: Compression,
  sink: Writable
): Effect.Effect<void, BackupError> =>
  Effect.gen(function* () {
    const text = yield* Effect.orDie(BackupManifest.encode(manifest))
    const shared = { mode: 0o600, uid: 0, gid: 0 }
    const packed = packTar([
      { type: "content", target: BackupManifest.manifestName, content: `${text}\n`, ...shared },
      ...manifest.files.map(({ name }) => ({
        type: "file" as const,
        target: name,
        source: join(directory, name),
        ...shared
      }))
    ])
    yield* attempt("write the archive", (signal) =>
      pipeline(packed, compressor[compression](), sink, { signal })
    )
  })

/** What the first octets say about the rest. */
const decompressor = (head: Buffer): Transform | undefined => {
  const magic = head.toString("hex", 0, 4)
  if (magic.startsWith("1f8b")) return createGunzip()
  if (magic === "28b52ffd") return createZstdDecompress()
  return head.toString("latin1", 0, BackupManifest.manifestName.length) ===
    BackupManifest.manifestName
    ? new PassThrough()
    : undefined
}

/** The tar file inside `source`, whatever it is compressed with. */
const plainTar = async (source: Readable, signal: AbortSignal): Promise<Readable> => {
  const chunks = source[Symbol.asyncIterator]()
  const buffered: Array<Buffer> = []
  let length = 0
  while (length < 16) {
    const next = await chunks.next()
    if (next.done === true) break
    buffered.push(next.value)
    length += next.value.length
  }
  const head = Buffer.concat(buffered)
  const transform = decompressor(head)
  if (transform === undefined)
    throw new BackupError({ message: "this is no backup of a dnsmesh node" })
  const rest = Readable.from(
    (async function* () {
      yield head
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        yield next.value
    })()
  )
  // Its failure reaches whoever reads `transform`; the promise only repeats it.
  pipeline(rest, transform, { signal }).catch(() => {})
  return transform
}

/** All of a small entry. */
const textOf = async (body: ReadableStream<Uint8Array>, limit: number): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > limit) throw new BackupError({ message: "the manifest is too large" })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

const readManifest = (text: string) =>
  Effect.runPromise(
    Effect.mapError(
      BackupManifest.decode(text),
      () =>
        new BackupError({
          message: "the archive's manifest cannot be read; a newer release may have written it"
        })
    )
  )

const extractAll = async (source: Readable, directory: string, signal: AbortSignal) => {
  const tar = await plainTar(source, signal)
  const decoder = createTarDecoder({ strict: true })
  const written = Readable.toWeb(tar).pipeTo(decoder.writable, { signal })
  // Reading fails with the same error; this keeps it from counting as unhandled.
  written.catch(() => {})
  let manifest: BackupManifest.Manifest | undefined
  const expected = new Map<string, number>()
  for await (const { header, body } of decoder.readable) {
    if (header.type !== undefined && header.type !== "file")
      throw new BackupError({
        message: `the archive holds a ${header.type}, which none of ours does`
      })
    if (manifest === undefined) {
      if (header.name !== BackupManifest.manifestName)
        throw new BackupError({ message: "the archive does not begin with a manifest" })
      manifest = await readManifest(await textOf(body, maxManifestBytes))
      for (const { bytes, name } of manifest.files) expected.set(name, bytes)
      continue
    }
    if (expected.get(header.name) !== header.size)
      throw new BackupError({
        message: `the archive holds ${JSON.stringify(header.name.slice(0, 80))} otherwise than its manifest lists it`
      })
    expected.delete(header.name)
    const target = join(directory, dirname(header.name), basename(header.name))
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await pipeline(
      Readable.fromWeb(body),
      createWriteStream(target, { flags: "wx", mode: 0o600, flush: true }),
      { signal }
    )
  }
  await written
  if (manifest === undefined) throw new BackupError({ message: "the archive is empty" })
  const [absent] = expected.keys()
  if (absent !== undefined)
    throw new BackupError({ message: `the archive ends before ${absent}; it was cut off` })
  return manifest
}

/** Writes the listed files below `directory`, and yields the list. Nothing is verified yet. */
export const extract = (
  source: Readable,
  directory: string
): Effect.Effect<BackupManifest.Manifest, BackupError> =>
  Effect.tryPromise({
    try: (signal) => extractAll(source, directory, signal),
    catch: because("read the archive")
  })

/** The bytes of an archive on the disk. */
export const open = (file: string): Effect.Effect<Readable, BackupError> =>
  Effect.async((resume) => {
    const stream = createReadStream(file)
    stream.once("open", () => resume(Effect.succeed(stream)))
    stream.once("error", (error) => resume(refuse(`cannot read ${file}: ${error.message}`)))
  })
