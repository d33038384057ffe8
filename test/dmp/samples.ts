/** Keys for tests, and one sound record of each type signed with them. */
import { Either } from "effect"
import * as Bootstrap from "../../src/dmp/Bootstrap.ts"
import * as Chunk from "../../src/dmp/Chunk.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import type { RecordType, Result } from "../../src/dmp/Record.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as Rotation from "../../src/dmp/Rotation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"

/** The Ed25519 seed that users' tools derive from an X25519 private key. */
export const userSeed = (x25519Private: Uint8Array): Uint8Array =>
  Ed25519.sha256(Buffer.concat([x25519Private, Buffer.from("DMP-v1-Ed25519-signing-key")]))

export const seed = Uint8Array.from({ length: 32 }, (_, at) => at)
export const spk = Ed25519.publicKey(seed)
export const otherSeed = new Uint8Array(32).fill(7)
export const otherSpk = Ed25519.publicKey(otherSeed)

/** The clock of `samples`. */
export const now = 1_800_000_000

export const fill = (octet: number, length: number): Uint8Array =>
  new Uint8Array(length).fill(octet)

export const identity: Identity.Identity = {
  username: "alice",
  x25519Pk: fill(1, 32),
  ed25519Spk: spk,
  ts: now,
  versions: [1]
}
export const manifest: SlotManifest.SlotManifest = {
  msgId: fill(2, 16),
  senderSpk: spk,
  recipientId: fill(3, 32),
  totalChunks: 2,
  dataChunks: 1,
  prekeyId: 4,
  ts: now,
  exp: now + 300,
  chunkHashes: [fill(5, 32), fill(6, 32)]
}
export const prekey: Prekey.Prekey = { prekeyId: 9, publicKey: fill(8, 32), exp: now + 86_400 }
export const claim: Claim.Claim = {
  msgId: fill(2, 16),
  senderSpk: spk,
  senderDomain: "mesh.example.com",
  slot: 4,
  ts: now,
  exp: now + 300
}
export const heartbeat: Heartbeat.Heartbeat = {
  endpoint: "https://node.example.com",
  operatorSpk: spk,
  version: "1.0",
  capabilities: 1,
  zone: "example.com",
  ts: now,
  exp: now + 86_400
}
export const cluster: ClusterManifest.ClusterManifest = {
  clusterName: "mesh.example.com",
  operatorSpk: spk,
  nodes: [{ nodeId: "a", httpEndpoint: "http://a.example:8053", dnsEndpoint: "" }],
  seq: 2n ** 64n - 1n,
  exp: now + 86_400
}
export const bootstrap: Bootstrap.Bootstrap = {
  userDomain: "example.com",
  signerSpk: spk,
  entries: [{ priority: 1, clusterBaseDomain: "mesh.example.com", operatorSpk: otherSpk }],
  seq: 2n ** 64n - 1n,
  exp: now + 86_400
}
export const rotation: Rotation.Rotation = {
  subject: { kind: "user", name: "alice@example.com" },
  oldSpk: spk,
  newSpk: otherSpk,
  seq: 2n ** 64n - 1n,
  ts: now,
  exp: now + 86_400
}
export const revocation: Revocation.Revocation = {
  subject: { kind: "user", name: "alice@example.com" },
  revokedSpk: spk,
  reason: "lost",
  ts: now
}

export const accepted = <A>(result: Result<A>): A =>
  Either.getOrThrowWith(result, (fault) => new Error(`refused: ${fault.reason}`))

export const reason = (result: Result<unknown>): string =>
  Either.isLeft(result) ? result.left.reason : "accepted"

/** A sound record of every type, valid at `now`. */
export const samples: Readonly<Record<RecordType, string>> = {
  identity: accepted(Identity.sign(identity, seed)),
  manifest: accepted(SlotManifest.sign(manifest, seed)),
  prekey: accepted(Prekey.sign(prekey, spk, seed)),
  chunk: accepted(Chunk.encode(fill(0xa5, 128))),
  claim: accepted(Claim.sign(claim, seed)),
  heartbeat: accepted(Heartbeat.sign(heartbeat, seed)),
  cluster: accepted(ClusterManifest.sign(cluster, seed)),
  bootstrap: accepted(Bootstrap.sign(bootstrap, seed)),
  rotation: accepted(Rotation.sign(rotation, seed, otherSeed)),
  revocation: accepted(Revocation.sign(revocation, seed))
}

/** The full check of every type against the keys of `samples`. */
export const verifiers: Readonly<
  Record<RecordType, (text: string, now: number) => Result<unknown>>
> = {
  identity: Identity.verify,
  manifest: SlotManifest.verify,
  prekey: (text, at) => Prekey.verify(text, spk, at),
  chunk: Chunk.verify,
  claim: Claim.verify,
  heartbeat: (text, at) => Heartbeat.verify(text, at),
  cluster: (text, at) => ClusterManifest.verify(text, spk, at),
  bootstrap: (text, at) => Bootstrap.verify(text, spk, at),
  rotation: Rotation.verify,
  revocation: (text, at) => Revocation.verify(text, at)
}

export const parsers: Readonly<Record<RecordType, (text: string) => Result<unknown>>> = {
  identity: Identity.parse,
  manifest: SlotManifest.parse,
  prekey: Prekey.parse,
  chunk: Chunk.parse,
  claim: Claim.parse,
  heartbeat: Heartbeat.parse,
  cluster: ClusterManifest.parse,
  bootstrap: Bootstrap.parse,
  rotation: Rotation.parse,
  revocation: Revocation.parse
}
