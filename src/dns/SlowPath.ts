/**
 * Messages that cannot be answered from memory at once: UPDATE, anything signed, zone
 * transfers. They run as fibers, bounded in number by the pipeline.
 */
import { Context, type Effect } from "effect"

export interface Source {
  /** Canonical address. */
  readonly address: string
  readonly transport: "udp" | "tcp"
}

export interface SlowReply {
  /** Messages to send, in order; none when silence is the answer. UDP takes the first only. */
  readonly replies: ReadonlyArray<Buffer>
  /** For `dmp_dns_queries_total`. */
  readonly outcome: string
}

export class SlowPath extends Context.Tag("dnsmesh/dns/SlowPath")<
  SlowPath,
  {
    /** Never fails: what goes wrong is answered with SERVFAIL. */
    readonly handle: (message: Buffer, from: Source) => Effect.Effect<SlowReply>
  }
>() {}
