/**
 * A line for each refusal, with the address, so that fail2ban and its like can shut the sender
 * out. Off unless DMP_SECURITY_LOG is set: it is the one place where whole addresses are logged.
 * Invariant: a line holds words of closed sets and one address that answered us, nothing a client
 * can choose; and however many refusals there are, lines stay few.
 */
import { Context, Effect, Layer, Option, Runtime } from "effect"
import { canonical, limiterKey } from "./IpAddress.ts"
import { LogConfig } from "./LogConfig.ts"
import { counterFamily } from "./Metrics.ts"
import * as RateLimiter from "./RateLimiter.ts"
import { TrustedProxies } from "./TrustedProxies.ts"

/** Stable: `ops/fail2ban` and what operators have made of it match on them. */
export const reasons = [
  "token",
  "login",
  "registration",
  "sync",
  "tsig",
  "limit",
  "connections"
] as const
export type Reason = (typeof reasons)[number]

export interface SecurityLogShape {
  /**
   * Synchronous. `address` is canonical and nobody's forgery, which over UDP is not known;
   * `route` is the template of a path, or a DNS transport.
   */
  readonly refused: (reason: Reason, address: string, route: string) => void
}

/** What one client can cause: enough to be counted, not enough to fill a disk. */
const perClient = { rate: 1 / 6, burst: 20 }
/** What all of them together can: some 70 MB a day at the very most. */
const altogether = { rate: 5, burst: 200 }

const count = counterFamily(
  "dmp_security_log_lines_total",
  "Refusals for the security log, by what became of them: `written`, or `suppressed` as too many",
  "result",
  ["written", "suppressed"]
)

/** Without its layer nothing is logged. */
export class SecurityLog extends Context.Reference<SecurityLog>()("dnsmesh/runtime/SecurityLog", {
  defaultValue: (): SecurityLogShape => ({ refused: () => {} })
}) {
  static readonly layer = Layer.effect(
    SecurityLog,
    Effect.gen(function* () {
      const { security } = yield* LogConfig
      if (!security) return { refused: () => {} }
      const trusts = yield* TrustedProxies
      const runFork = Runtime.runFork(yield* Effect.runtime<never>())
      const ofClient = yield* RateLimiter.make(perClient)
      const ofAll = yield* RateLimiter.make(altogether)
      const refused: SecurityLogShape["refused"] = (reason, address, route) => {
        // A proxy of ours is not who was refused, and must not be who is shut out. What is no
        // address was a connection that had gone before anybody looked.
        if (Option.isNone(canonical(address)) || trusts(address)) return
        const client = limiterKey(address)
        if (!ofClient.allow(client) || !ofAll.allow("")) return count("suppressed")
        count("written")
        runFork(Effect.logWarning("refused", { reason, client, route }))
      }
      return { refused }
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.security" }))
  )
}
