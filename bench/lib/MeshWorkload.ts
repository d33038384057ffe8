/**
 * Records that a peer takes over, for it verifies what it copies: messages of nine chunks with
 * their checksum and parity, and the signed manifest that announces them.
 */
import { createHash, generateKeyPairSync } from "node:crypto"
import { Either } from "effect"
import * as Chunk from "../../src/dmp/Chunk.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import { type Held, zone } from "./Workload.ts"

const sha256 = (of: string | Buffer): Buffer => createHash("sha256").update(of).digest()
const hex12 = (of: string | Buffer): string => sha256(of).toString("hex").slice(0, 12)
const recipientId = (of: string): Buffer => sha256(`recipient ${of}`)

const sender = generateKeyPairSync("ed25519")
const seed = sender.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32)
const senderSpk = sender.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
const startedAt = Math.floor(performance.timeOrigin / 1000)
const block = Buffer.alloc(Chunk.blockLength, "x")

const chunk = (of: string, i: number): string => {
  block.write(`${of} ${i} `)
  return Either.getOrThrow(Chunk.encode(block))
}

const manifest = (of: string): string =>
  Either.getOrThrow(
    SlotManifest.sign(
      {
        msgId: sha256(`id ${of}`).subarray(0, 16),
        senderSpk,
        recipientId: recipientId(of),
        totalChunks: 9,
        dataChunks: 6,
        prekeyId: 0,
        ts: startedAt,
        exp: startedAt + 86_400 * 20,
        chunkHashes: Array.from({ length: 9 }, (_, i) => sha256(`${of} ${i}`))
      },
      seed
    )
  )

/** Record `i` of `run`: each tenth is a manifest. */
export const meshHeld = (i: number, run = ""): Held => {
  const of = `${run} ${Math.floor(i / 10)}`
  return i % 10 === 9
    ? {
        owner: `slot-${Math.floor(i / 10) % 10}.mb-${hex12(recipientId(of))}.${zone}`,
        value: manifest(of)
      }
    : { owner: `chunk-000${i % 10}-${hex12(of)}.${zone}`, value: chunk(of, i % 10) }
}
