/**
 * Messages that cannot be answered from memory at once: UPDATE, anything signed, zone
 * transfers. They run as fibers, bounded in number by the pipeline.
 */
import { Context, type Effect } from "effect"
import type { Exchange } from "./Exchange.ts"

export class SlowPath extends Context.Tag("dnsmesh/dns/SlowPath")<
  SlowPath,
  {
    /** Sends its replies itself; yields the outcome for `dmp_dns_queries_total`. */
    readonly handle: (message: Buffer, exchange: Exchange) => Effect.Effect<string>
  }
>() {}
