/** One message and the way back to who sent it, whatever transport it came by. */
import type { Effect } from "effect"
import type { Standing } from "../runtime/RateLimiter.ts"

/** `tls` is RFC 7858, `https` RFC 8484: to sizes both are what TCP is. */
export type Transport = "udp" | "tcp" | "tls" | "https"

/** True where one message may get several in reply, on a connection that stays. */
export const isStream = (transport: Transport): boolean =>
  transport === "tcp" || transport === "tls"

export interface Exchange {
  /** Canonical source address. */
  readonly address: string
  readonly transport: Transport
  /** Sends one reply. Synchronous; over TCP many may follow one message. */
  readonly send: (reply: Buffer) => void
  /** Waits until the client has taken in enough of what was sent; for long transfers. */
  readonly writable: Effect.Effect<void>
  /** Where the client can be told: what its limit has left, nothing where none binds it. */
  readonly charged?: (standing: Standing | undefined) => void
  /** Called instead of a reply when there is no room for the message or the limiter refuses it. */
  readonly refuse: () => void
  /** Called in every case, once nothing more will be sent. */
  readonly done: () => void
}
