/** The way from the HTTP front to the DNS answers: one message in, one message out. */
import { Context, type Effect } from "effect"

/** `limited`: too much from this client, or too much at all. `unanswerable`: not a request. */
export type NoAnswer = "limited" | "unanswerable"

export class DnsOverHttps extends Context.Tag("dnsmesh/runtime/DnsOverHttps")<
  DnsOverHttps,
  {
    /** `clientAddress` is canonical. */
    readonly exchange: (message: Buffer, clientAddress: string) => Effect.Effect<Buffer, NoAnswer>
  }
>() {}
