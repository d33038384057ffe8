/**
 * Registration challenges that carry their own proof of origin, so that handing one out costs
 * no memory and nobody can push out another's. Only used ones are remembered, until they are
 * over. Invariant: a challenge is accepted once, before its end, by the process that made it.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto"
import { Context, Effect, Layer, type Option } from "effect"
import * as X25519 from "./X25519.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Seconds a challenge lives. */
export const lifetime = 60
/** Seconds for which one secret makes challenges. */
const secretLife = 600
/** Used challenges remembered at once; each has cost its sender a signature-sized request. */
const maxUsed = 100_000

const macLength = 16
const bodyLength = 16

export interface Challenge {
  /** 64 lower-case hex digits. */
  readonly challenge: string
  /** Unix seconds. */
  readonly expiresAt: number
  /** 64 lower-case hex digits: the key made for this challenge alone. */
  readonly serverX25519Pub: string
}

export class Challenges extends Context.Tag("dnsmesh/auth/Challenges")<
  Challenges,
  {
    readonly issue: Effect.Effect<Challenge>
    /** True the first time a living challenge of ours is shown; it is used up by that. */
    readonly consume: (challenge: string) => Effect.Effect<boolean>
    /** The secret shared with `peer` under the key of `challenge` (32 octets, ours). */
    readonly agree: (challenge: Uint8Array, peer: Uint8Array) => Option.Option<Uint8Array>
  }
>() {
  static readonly layer = Layer.effect(
    Challenges,
    Effect.map(Effect.clock, (clock) => {
      const seconds = () => UnixTime.unsafeNow(clock)
      const secrets = new Map<number, Buffer>()
      // In order of use; an entry is over `lifetime` seconds after it at the latest.
      const used = new Map<string, number>()

      const secretOf = (expiresAt: number): Buffer | undefined =>
        secrets.get(Math.floor(expiresAt / secretLife))

      const secretFor = (expiresAt: number, now: number): Buffer => {
        for (const epoch of secrets.keys())
          if ((epoch + 1) * secretLife <= now) secrets.delete(epoch)
        const epoch = Math.floor(expiresAt / secretLife)
        const secret = secrets.get(epoch) ?? randomBytes(32)
        secrets.set(epoch, secret)
        return secret
      }

      const mac = (secret: Buffer, body: Uint8Array): Buffer =>
        createHmac("sha256", secret)
          .update("dnsmesh registration challenge")
          .update(body)
          .digest()
          .subarray(0, macLength)

      const ephemeral = (secret: Buffer, challenge: Uint8Array): Uint8Array =>
        new Uint8Array(hkdfSync("sha256", secret, challenge, "dnsmesh registration x25519", 32))

      const genuine = (challenge: Buffer): boolean => {
        if (challenge.length !== bodyLength + macLength) return false
        const secret = secretOf(challenge.readUInt32BE(0))
        const body = challenge.subarray(0, bodyLength)
        return (
          secret !== undefined && timingSafeEqual(mac(secret, body), challenge.subarray(bodyLength))
        )
      }

      return {
        issue: Effect.sync(() => {
          const now = seconds()
          const expiresAt = now + lifetime
          const secret = secretFor(expiresAt, now)
          const body = Buffer.concat([Buffer.alloc(4), randomBytes(bodyLength - 4)])
          body.writeUInt32BE(expiresAt)
          const challenge = Buffer.concat([body, mac(secret, body)])
          return {
            challenge: challenge.toString("hex"),
            expiresAt,
            serverX25519Pub: Buffer.from(X25519.publicKey(ephemeral(secret, challenge))).toString(
              "hex"
            )
          }
        }),
        consume: (text) =>
          Effect.sync(() => {
            const now = seconds()
            for (const [old, end] of used) {
              if (end > now) break
              used.delete(old)
            }
            // Exact lower case: another spelling would be another key of the used ones.
            if (!/^[0-9a-f]{64}$/.test(text)) return false
            const challenge = Buffer.from(text, "hex")
            if (!genuine(challenge) || challenge.readUInt32BE(0) <= now) return false
            // Forgetting one to make room would let it be used again.
            if (used.has(text) || used.size >= maxUsed) return false
            used.set(text, now + lifetime)
            return true
          }),
        agree: (challenge, peer) => {
          const secret = secretOf(Buffer.from(challenge).readUInt32BE(0))
          // A secret is kept past the end of every challenge it made.
          return X25519.sharedSecret(ephemeral(secret ?? randomBytes(32), challenge), peer)
        }
      }
    })
  )
}
