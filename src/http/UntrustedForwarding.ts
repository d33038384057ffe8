/**
 * Requests that name a client although nobody trusts who sent them: nearly always a proxy that
 * DMP_TRUSTED_PROXIES forgot, whose users then share one bucket. Invariant: whatever is sent, the
 * log gains two lines at most in the life of the process, and neither shows a whole address.
 */
import type { IncomingHttpHeaders } from "node:http"
import { Effect, Either, Runtime } from "effect"
import { counterFamily } from "../runtime/Metrics.ts"
import { networkOf } from "../runtime/TopTalkers.ts"
import * as TrustedProxies from "../runtime/TrustedProxies.ts"
import type { Client } from "./ClientAddress.ts"

// Where proxies live. A stranger on the Internet who plays with headers is counted apart, and
// cannot use up the warning that is meant for the operator's own proxy.
const isPrivate = Either.getOrThrow(
  TrustedProxies.make([
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10"
  ])
)

const count = counterFamily(
  "dmp_http_untrusted_forwards_total",
  "HTTP requests with X-Forwarded-For or X-Real-IP from a peer that is no trusted proxy, by kind of the peer's address",
  "peer",
  ["private", "public"]
)

const warning = {
  private: (network: string, header: string) =>
    `${header} seen from ${network}, which DMP_TRUSTED_PROXIES does not name: it is ignored. If that is your proxy, all clients behind it share one rate limit; add its address (docs/production.md, Caddyfile)`,
  public: (network: string, header: string) =>
    `${header} seen from the public network ${network}, which DMP_TRUSTED_PROXIES does not name: it is ignored. If that is your proxy, add its address; otherwise plain HTTP can be reached past the proxy, and a firewall should close it`
}

/** Synchronous: it is asked for every request. */
export type Note = (peer: Client, headers: IncomingHttpHeaders) => void

export const make: Effect.Effect<Note, never, TrustedProxies.TrustedProxies> = Effect.gen(
  function* () {
    const trusts = yield* TrustedProxies.TrustedProxies
    const runFork = Runtime.runFork(yield* Effect.runtime<never>())
    const warned = new Set<keyof typeof warning>()
    return ({ address }, headers) => {
      const header =
        headers["x-real-ip"] !== undefined
          ? "X-Real-IP"
          : headers["x-forwarded-for"] !== undefined
            ? "X-Forwarded-For"
            : undefined
      if (header === undefined || address === "unknown" || trusts(address)) return
      const kind = isPrivate(address) ? "private" : "public"
      count(kind)
      if (warned.has(kind)) return
      warned.add(kind)
      runFork(Effect.logWarning(warning[kind](networkOf(address), header)))
    }
  }
)
