/** The way from the HTTP front to the DNS answers: one message in, one message out. */
import { Context, type Effect } from "effect"
import type { Standing } from "./RateLimiter.ts"

/** `limited`: too much from this client, or too much at all. `unanswerable`: not a request. */
export type NoAnswer = "limited" | "unanswerable"

export class DnsOverHttps extends Context.Tag("dnsmesh/runtime/DnsOverHttps")<
  DnsOverHttps,
  {
    /** `clientAddress` is canonical; `charged` learns, before the answer, what its limit has left. */
    readonly exchange: (
      message: Buffer,
      clientAddress: string,
      charged: (standing: Standing | undefined) => void
    ) => Effect.Effect<Buffer, NoAnswer>
  }
>() {}
