import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import type { IncomingHttpHeaders } from "node:http"
import { peerOf } from "../../src/http/ClientAddress.ts"
import * as UntrustedForwarding from "../../src/http/UntrustedForwarding.ts"
import { TrustedProxies } from "../../src/runtime/TrustedProxies.ts"
import { ask, closed, operatorToken, start } from "./TestNode.ts"

/** What is logged when `seen` come in this order and 192.0.2.1 alone is trusted. */
const warnings = (seen: ReadonlyArray<readonly [peer: string, headers: IncomingHttpHeaders]>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${message}`))
    )
    yield* Effect.gen(function* () {
      const note = yield* UntrustedForwarding.make
      for (const [peer, headers] of seen) note(peerOf(peer), headers)
      yield* Effect.yieldNow()
    }).pipe(Effect.provide(Layer.merge(logger, TrustedProxies.layer(["192.0.2.1/32"]))))
    return lines
  })

describe("a forwarding header nobody trusts", () => {
  it.effect("is warned of once for the proxies' networks and once for the Internet's", () =>
    Effect.gen(function* () {
      const real = { "x-real-ip": "198.51.100.7" }
      const list = { "x-forwarded-for": "198.51.100.7" }
      const lines = yield* warnings([
        ["203.0.113.9", real],
        ["203.0.113.10", list],
        ["172.18.0.1", list],
        ["172.18.0.1", real],
        ["10.1.1.1", real]
      ])
      assert.lengthOf(lines, 2)
      assert.include(lines[0], "WARN X-Real-IP seen from the public network 203.0.113.0/24")
      assert.include(lines[1], "WARN X-Forwarded-For seen from 172.18.0.0/24")
      for (const line of lines) {
        assert.include(line, "DMP_TRUSTED_PROXIES")
        // Neither the sender nor whom it names.
        assert.notMatch(line, /203\.0\.113\.9|203\.0\.113\.10|172\.18\.0\.1\b|198\.51\.100/)
      }
    })
  )

  it.effect("is none when its sender is trusted, gone, or sends no such header", () =>
    Effect.gen(function* () {
      const real = { "x-real-ip": "198.51.100.7" }
      assert.deepStrictEqual(
        yield* warnings([
          ["192.0.2.1", real],
          ["", real],
          ["10.1.1.1", { "user-agent": "curl" }]
        ]),
        []
      )
    })
  )

  it.scopedLive("is counted by the running node, and changes nothing else", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      const seen = Effect.map(ask(node, "GET", "/metrics", { token: operatorToken }), ({ text }) =>
        Number(/^dmp_http_untrusted_forwards_total\{peer="private"\} (\d+)$/m.exec(text)?.[1])
      )
      const before = yield* seen
      const answer = yield* ask(node, "GET", "/health", {
        headers: { "x-forwarded-for": "198.51.100.7" }
      })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual((yield* seen) - before, 1)
    })
  )
})
