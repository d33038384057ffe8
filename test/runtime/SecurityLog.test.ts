import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { LogConfig } from "../../src/runtime/LogConfig.ts"
import * as Logging from "../../src/runtime/Logging.ts"
import { SecurityLog, type SecurityLogShape } from "../../src/runtime/SecurityLog.ts"
import { TrustedProxies } from "../../src/runtime/TrustedProxies.ts"

/** What is written while `use` has a log that is on or off, and trusts 192.0.2.1 alone. */
const lines = (
  options: { readonly security: boolean; readonly format?: "text" | "json" },
  use: (log: SecurityLogShape) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const config = { level: "INFO", format: options.format ?? "text", ...options } as const
    const written: Array<string> = []
    yield* Effect.flatMap(SecurityLog, use).pipe(
      Effect.zipRight(Effect.yieldNow()),
      Effect.provide(
        SecurityLog.layer.pipe(
          Layer.provide([
            Layer.succeed(LogConfig, config),
            TrustedProxies.layer(["192.0.2.1/32"]),
            Logging.layerWith(config, (text) => void written.push(text))
          ])
        )
      )
    )
    return written
  })

const once = (address: string) => (log: SecurityLogShape) =>
  Effect.sync(() => log.refused("token", address, "/v1/records/{name}"))

describe("the security log", () => {
  it.effect("says nothing unless it is asked for", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lines({ security: false }, once("203.0.113.9")), [])
    })
  )

  it.effect("names reason, client and route in one line of text", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* lines({ security: true }, once("203.0.113.9"))
      assert.match(
        line,
        /^\S+ \S+ WARNING dmp\.server\.security: refused reason=token client=203\.0\.113\.9 route=\/v1\/records\/\{name\}\n$/
      )
    })
  )

  it.effect("is an object of the same members as JSON", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* lines({ security: true, format: "json" }, once("203.0.113.9"))
      assert.deepStrictEqual(JSON.parse(line), {
        ts: "1970-01-01T00:00:00.000Z",
        level: "WARNING",
        logger: "dmp.server.security",
        msg: "refused",
        reason: "token",
        client: "203.0.113.9",
        route: "/v1/records/{name}"
      })
    })
  )

  it.effect("takes one customer's IPv6 network for one client", () =>
    Effect.gen(function* () {
      const [line] = yield* lines({ security: true }, once("2001:db8:1:2:3:4:5:6"))
      assert.include(line, "client=2001:db8:1:2::/64 ")
    })
  )

  it.effect("never names a trusted proxy, nor what is no address", () =>
    Effect.gen(function* () {
      for (const address of ["192.0.2.1", "unknown", "", "203.0.113.9\nWARNING"])
        assert.deepStrictEqual(yield* lines({ security: true }, once(address)), [], address)
    })
  )

  it.effect("writes of one client at most twenty lines at once, then one in six seconds", () =>
    Effect.gen(function* () {
      const flood = (log: SecurityLogShape) =>
        Effect.gen(function* () {
          for (let i = 0; i < 1000; i++) log.refused("limit", "203.0.113.9", "dns/tcp")
          yield* TestClock.adjust("6 seconds")
          for (let i = 0; i < 1000; i++) log.refused("limit", "203.0.113.9", "dns/tcp")
        })
      assert.lengthOf(yield* lines({ security: true }, flood), 21)
    })
  )

  it.effect("writes at most two hundred lines at once whatever the number of clients", () =>
    Effect.gen(function* () {
      const crowd = (log: SecurityLogShape) =>
        Effect.sync(() => {
          for (let i = 0; i < 5000; i++)
            log.refused("login", `203.${i >> 8}.${i & 255}.1`, "/admin/login")
        })
      assert.lengthOf(yield* lines({ security: true }, crowd), 200)
    })
  )
})
