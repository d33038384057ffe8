/** The bucket of each client address, shared by every route that charges it. */
import { Context, Effect, Layer } from "effect"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import { TopTalkers } from "../runtime/TopTalkers.ts"
import type { Client } from "./ClientAddress.ts"
import { HttpConfig } from "./HttpConfig.ts"
import { rateLimited, type Refusal } from "./Refusal.ts"

export class ClientLimit extends Context.Tag("dnsmesh/http/ClientLimit")<
  ClientLimit,
  {
    /** Spends one token of `client`; the refusal says when there will be another. */
    readonly charge: (client: Client) => Refusal | undefined
  }
>() {
  static readonly layer = Layer.effect(
    ClientLimit,
    Effect.gen(function* () {
      const { rate, burst } = yield* HttpConfig
      const talkers = yield* TopTalkers
      const limiter = yield* RateLimiter.make({ rate, burst })
      return {
        charge: ({ address, limiterKey }) => {
          if (limiter.allow(limiterKey)) return undefined
          talkers.refused("http", address)
          return rateLimited("rate limit exceeded", limiter.retryAfter(limiterKey))
        }
      }
    })
  )
}
