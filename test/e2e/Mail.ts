/** The records one message of the mesh is made of, signed as users' programs sign them. */
import { randomBytes } from "node:crypto"
import * as Chunk from "../../src/dmp/Chunk.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import * as OwnerName from "../../src/dmp/OwnerName.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import { prefixes } from "../../src/dmp/Record.ts"
import { accepted } from "../dmp/samples.ts"
import { seconds } from "./DnsClient.ts"
import { type User, zone } from "./User.ts"

export interface Published {
  readonly owner: string
  readonly value: string
  readonly ttl: number
}

/** Life of identities and prekeys (s), and of everything about a message. */
const day = 86_400
const life = 300

export const identity = (user: User, ts = seconds()): Published => ({
  owner: user.identity,
  ttl: day,
  value: accepted(
    Identity.sign(
      {
        username: user.local,
        x25519Pk: user.x25519Pub,
        ed25519Spk: user.spk,
        ts,
        versions: [1]
      },
      user.seed
    )
  )
})

export const prekeys = (user: User, count: number): ReadonlyArray<Published> =>
  Array.from({ length: count }, (_, at) => ({
    owner: user.prekeys,
    ttl: day,
    value: accepted(
      Prekey.sign(
        { prekeyId: at + 1, publicKey: new Uint8Array(randomBytes(32)), exp: seconds() + day },
        user.spk,
        user.seed
      )
    )
  }))

export interface Sent {
  readonly chunks: ReadonlyArray<Published>
  readonly manifest: Published
  readonly claim: Published
}

const chunkHash = (value: string): Uint8Array =>
  Ed25519.sha256(Buffer.from(value.slice(prefixes.chunk.length), "base64"))

/** A message of `count` chunks, announced in one of the recipient's slots. */
export const message = (from: User, to: User, count: number, slot = 2): Sent => {
  const msgId = new Uint8Array(randomBytes(16))
  const label = OwnerName.hex12(Buffer.concat([msgId, to.recipientId, from.spk]))
  const chunks = Array.from({ length: count }, (_, at) => ({
    owner: `chunk-${String(at).padStart(4, "0")}-${label}.${zone}`,
    ttl: life,
    value: accepted(Chunk.encode(new Uint8Array(randomBytes(Chunk.blockLength))))
  }))
  const ts = seconds()
  const manifest = SlotManifest.sign(
    {
      msgId,
      senderSpk: from.spk,
      recipientId: to.recipientId,
      totalChunks: count,
      dataChunks: Math.max(1, count - 2),
      prekeyId: 1,
      ts,
      exp: ts + life,
      chunkHashes: chunks.map(({ value }) => chunkHash(value))
    },
    from.seed
  )
  return {
    chunks,
    manifest: { owner: to.slot(slot), ttl: life, value: accepted(manifest) },
    claim: { owner: to.claim(slot), ttl: life, value: claim(from, { msgId, slot }) }
  }
}

export const claim = (
  from: User,
  over: Partial<Pick<Claim.Claim, "msgId" | "slot" | "exp" | "ts">> = {}
): string => {
  const ts = seconds()
  return accepted(
    Claim.sign(
      {
        msgId: new Uint8Array(randomBytes(16)),
        senderSpk: from.spk,
        senderDomain: zone,
        slot: 2,
        ts,
        exp: ts + life,
        ...over
      },
      from.seed
    )
  )
}

/** The hand-over of `from`'s name to the key of `to`. */
export const rotation = (from: User, to: User): Published => ({
  owner: `rotate.${from.identity}`,
  ttl: day,
  value: accepted(
    Rotation.sign(
      {
        subject: { kind: "user", name: from.subject },
        oldSpk: from.spk,
        newSpk: to.spk,
        seq: 1n,
        ts: seconds(),
        exp: seconds() + day
      },
      from.seed,
      to.seed
    )
  )
})
