/** Puts what comes by HTTPS (RFC 8484) on the way of every other DNS message. */
import { Effect, Layer } from "effect"
import { DnsOverHttps } from "../runtime/DnsOverHttps.ts"
import { Pipeline } from "./Pipeline.ts"

export const layer = Layer.effect(
  DnsOverHttps,
  Effect.map(Pipeline, (pipeline) => ({
    exchange: (message, address, charged) =>
      // Only what happens first counts: an answer makes `done` mean nothing more.
      Effect.async((resume) =>
        pipeline.accept(message, {
          address,
          transport: "https",
          writable: Effect.void,
          charged,
          send: (reply) => resume(Effect.succeed(reply)),
          refuse: () => resume(Effect.fail("limited")),
          done: () => resume(Effect.fail("unanswerable"))
        })
      )
  }))
)
