/** The bucket of each client address, shared by every route that charges it. */
import { Context, Effect, Layer } from "effect"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import * as TrustedProxies from "../runtime/TrustedProxies.ts"
import { HttpConfig } from "./HttpConfig.ts"
import { rateLimited, type Refusal } from "./Refusal.ts"
import type { Exchange } from "./Route.ts"

/** Whom a request is charged to, and where its answer learns of it. */
export type Charged = Pick<Exchange, "client" | "limits">

export class ClientLimit extends Context.Tag("dnsmesh/http/ClientLimit")<
  ClientLimit,
  {
    /**
     * Spends `cost` tokens, 1 unless told. The refusal says when there will be as many, and those
     * that this request has `spent` before, which it will need again.
     */
    readonly charge: (charged: Charged, cost?: number, spent?: number) => Refusal | undefined
    /** Most one request of the client can cost; infinite where there is no limit. */
    readonly most: (charged: Charged) => number
  }
>() {
  static readonly layer = Layer.effect(
    ClientLimit,
    Effect.gen(function* () {
      const { burst, rate, rateExempt } = yield* HttpConfig
      const talkers = yield* TopTalkers
      const limiter = yield* RateLimiter.make({ rate, burst })
      const isExempt = TrustedProxies.within(rateExempt)
      return {
        charge: ({ client: { address, limiterKey }, limits }, cost = 1, spent = 0) => {
          if (isExempt(address)) return undefined
          const allowed = limiter.allow(limiterKey, cost)
          limits.tell("client", limiter.standing(limiterKey))
          if (allowed) return undefined
          talkers.refused("http", address)
          return rateLimited("rate limit exceeded", limiter.retryAfter(limiterKey, cost + spent))
        },
        most: ({ client: { address } }) =>
          isExempt(address) ? Infinity : (limiter.standing("")?.quota ?? Infinity)
      }
    })
  )
}
