import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck, Option, Redacted } from "effect"
import { AuthConfig } from "../src/auth/AuthConfig.ts"
import { DnsConfig } from "../src/dns/DnsConfig.ts"
import type { Environment } from "../src/runtime/Environment.ts"
import * as Settings from "../src/Settings.ts"
import { Limits } from "../src/zone/Limits.ts"
import { ZoneConfig } from "../src/zone/ZoneConfig.ts"

const attempt = (environment: Environment) =>
  Settings.loadConfig(environment).pipe(Effect.either, Effect.provide(NodeFileSystem.layer))

const load = (environment: Environment) => Effect.map(attempt(environment), Either.getOrThrow)

const complaints = (environment: Environment) =>
  Effect.map(attempt(environment), (result) => {
    assert(Either.isLeft(result), "expected mistakes")
    return result.left.lines
  })

const token = { DMP_OPERATOR_TOKEN: "t0p-s3cret" }

describe("The configuration of an empty environment", () => {
  it.effect("is what the production guide documents", () =>
    Effect.gen(function* () {
      const { config, notices } = yield* load({})
      assert.deepInclude(config.store, {
        dbPath: "/var/lib/dmp/dmp.db",
        tokenDbPath: "/var/lib/dmp/dmp_tokens.db",
        tsigDbPath: "/var/lib/dmp/dmp_tsig.db",
        heartbeatDbPath: "/var/lib/dmp/dmp_heartbeats.db"
      })
      assert.deepStrictEqual(config.log, { level: "INFO", format: "text", security: false })
      assert.deepInclude(config.dns, {
        port: 5353,
        rate: 50,
        burst: 200,
        maxConcurrency: 128,
        udpPayload: 1232,
        maxTcpConnections: 1024
      })
      assert.strictEqual(config.dns.hosts[0], "0.0.0.0")
      assert.deepInclude(config.http, { port: 8053, rate: 10, burst: 100, maxConcurrency: 64 })
      assert.deepStrictEqual(config.http.trustedProxies, ["127.0.0.0/8", "::1/128"])
      assert.deepInclude(config.auth, {
        mode: "open",
        modeDerived: true,
        recordValidation: "known-types"
      })
      assert.deepInclude(config.limits, {
        maxTtl: 86_400,
        maxValueBytes: 2048,
        maxValuesPerName: 64
      })
      assert.deepInclude(config.zone, { dnsTtl: 60, negativeTtl: 30, cleanupInterval: 60 })
      assert.deepStrictEqual(config.zone.zones, [])
      assert.strictEqual(config.lifecycle.shutdownTimeout, 10)
      assert(Option.isNone(config.tracing.endpoint))
      assert.deepStrictEqual(notices, [])
    })
  )

  it.effect("is the same when every variable is set to nothing", () =>
    Effect.gen(function* () {
      const blank = Object.fromEntries(Settings.all.map(({ name }) => [name, " "]))
      assert.deepStrictEqual((yield* load(blank)).config, (yield* load({})).config)
    })
  )
})

describe("The served zone", () => {
  const chain = [
    "DMP_SERVED_ZONE",
    "DMP_CLAIM_PROVIDER_ZONE",
    "DMP_CLUSTER_BASE_DOMAIN",
    "DMP_DOMAIN",
    "DMP_NODE_HOSTNAME"
  ]
  it.effect.each(chain.map((name, at) => [name, at] as const))("falls back to %s", ([, at]) =>
    Effect.gen(function* () {
      const environment = Object.fromEntries(
        chain.slice(at).map((name) => [name, `Z${chain.indexOf(name)}.Example.`])
      )
      const { zone } = (yield* load({ ...environment, ...token })).config
      assert.deepStrictEqual(zone.servedZone, Option.some(`z${at}.example`))
    })
  )

  it.effect("comes first among the zones, without repetitions", () =>
    Effect.gen(function* () {
      const { zone } = (yield* load({
        DMP_SERVED_ZONE: "a.example",
        DMP_EXTRA_ZONES: "b.example., A.example",
        DMP_CLUSTER_BASE_DOMAIN: "c.example",
        DMP_NODE_HOSTNAME: "Node.Example"
      })).config
      assert.deepStrictEqual<ReadonlyArray<string>>(zone.zones, [
        "a.example",
        "b.example",
        "c.example"
      ])
      assert.deepStrictEqual(zone.nodeHostname, Option.some("Node.Example"))
    })
  )

  it.effect.each([
    ["hostmaster@example.org", "hostmaster.example.org"],
    ["Dns.Example.ORG.", "dns.example.org"]
  ])("takes %s for its SOA mailbox", ([text, name]) =>
    Effect.gen(function* () {
      const { zone } = (yield* load({ DMP_DNS_APEX_SOA_RNAME: text })).config
      assert.deepStrictEqual(zone.soaRname, Option.some(name))
    })
  )
})

describe("The mode of authorisation", () => {
  it.effect.each([
    [{}, "open", true],
    [token, "legacy", true],
    [{ DMP_HTTP_TOKEN: "old" }, "legacy", true],
    [{ ...token, DMP_AUTH_MODE: "Multi-Tenant" }, "multi-tenant", false],
    [{ DMP_AUTH_MODE: "open", DMP_HTTP_HOST: "127.0.0.1" }, "open", false],
    [{ DMP_AUTH_MODE: "open", DMP_HTTP_HOST: "127.1.2.3,::1,localhost" }, "open", false],
    [{ DMP_AUTH_MODE: "open", DMP_ALLOW_OPEN_PUBLIC_BIND: "1" }, "open", false]
  ] as const)("%j", ([environment, mode, modeDerived]) =>
    Effect.map(load(environment), ({ config }) =>
      assert.deepInclude(config.auth, { mode, modeDerived })
    )
  )

  it.effect.each(["0.0.0.0", "::", "", "::ffff:127.0.0.1", "node.example", "127.0.0.1,192.0.2.1"])(
    "may not be set to open on %j without a word that it is meant",
    (host) =>
      Effect.gen(function* () {
        const lines = yield* complaints({ ...token, DMP_AUTH_MODE: "open", DMP_HTTP_HOST: host })
        assert.lengthOf(lines, 1)
        assert.match(lines[0]!, /^DMP_AUTH_MODE: .*DMP_ALLOW_OPEN_PUBLIC_BIND=1/)
      })
  )

  it.effect("takes the operator token before its alias, and says so", () =>
    Effect.gen(function* () {
      const { config, notices } = yield* load({ ...token, DMP_HTTP_TOKEN: "other" })
      assert.strictEqual(Redacted.value(Option.getOrThrow(config.auth.operatorToken)), "t0p-s3cret")
      assert.deepStrictEqual(notices, [
        { level: "WARNING", message: "DMP_HTTP_TOKEN is ignored because DMP_OPERATOR_TOKEN is set" }
      ])
    })
  )
})

describe("Mistakes", () => {
  it.effect("are zones that no heartbeat could name, while heartbeats are on", () =>
    Effect.gen(function* () {
      const zone = `${"a".repeat(40)}.${"b".repeat(19)}.net`
      assert.lengthOf(zone, 64)
      yield* load({ DMP_HEARTBEAT_ENABLED: "1", DMP_DOMAIN: zone })
      yield* load({ DMP_DOMAIN: `a${zone}` })
      const lines = yield* complaints({ DMP_HEARTBEAT_ENABLED: "1", DMP_DOMAIN: `a${zone}` })
      assert.lengthOf(lines, 1)
      assert.match(lines[0]!, /^DMP_HEARTBEAT_ENABLED: .* 65, give a shorter DMP_SERVED_ZONE/)
    })
  )

  it.effect("are reported together over all areas, with variable, value and what is accepted", () =>
    Effect.gen(function* () {
      const lines = yield* complaints({
        DMP_DNS_PORT: "dns",
        DMP_HTTP_RATE: "1e3",
        DMP_MAX_TTL: "0x10",
        DMP_AUTH_MODE: "open",
        DMP_LOG_LEVEL: "chatty",
        DMP_SERVED_ZONE: "a..b",
        DMP_TRUSTED_PROXIES: "10.0.0.0/33",
        DMP_DNS_APEX_A: "::1",
        DMP_SHUTDOWN_TIMEOUT: "Infinity",
        DMP_NODE_HOSTNAME: "https://dmp.example.com",
        DMP_OPERATOR_TOKEN: "naïve"
      })
      const named = lines.map((line) => line.slice(0, line.indexOf(":"))).sort()
      assert.deepStrictEqual(named, [
        "DMP_AUTH_MODE",
        "DMP_DNS_APEX_A",
        "DMP_DNS_PORT",
        "DMP_HTTP_RATE",
        "DMP_LOG_LEVEL",
        "DMP_MAX_TTL",
        "DMP_NODE_HOSTNAME",
        "DMP_OPERATOR_TOKEN",
        "DMP_SERVED_ZONE",
        "DMP_SHUTDOWN_TIMEOUT",
        "DMP_TRUSTED_PROXIES"
      ])
      for (const line of lines) assert.include(line, "give ")
      assert.include(lines.join("\n"), `DMP_DNS_PORT: "dns" is refused`)
      assert.notInclude(lines.join("\n"), "naïve")
    })
  )

  it.effect.prop(
    "whatever the value, are one line each and never an exception",
    [FastCheck.constantFrom(...Settings.all), FastCheck.string({ unit: "binary", maxLength: 200 })],
    ([setting, text]) =>
      Effect.gen(function* () {
        const result = yield* attempt({
          [setting.name]: text,
          ...(setting.name === "DMP_OPERATOR_TOKEN" ? {} : token)
        })
        if (Either.isRight(result)) return
        assert.isNotEmpty(result.left.lines)
        for (const line of result.left.lines) {
          assert.notMatch(line, /[\p{Cc}\u2028\u2029]/u)
          assert.isBelow(line.length, 900)
        }
        if (setting.secret && text.trim().length > 12)
          assert.notInclude(result.left.message, text.trim())
      }),
    { fastCheck: { numRuns: 100 } }
  )
})

describe("Unknown variables", () => {
  it.effect(
    "earn a warning with the nearest known name, outdated ones a line, others nothing",
    () =>
      Effect.gen(function* () {
        const { notices } = yield* load({
          ...token,
          DMP_DNS_PROT: "53",
          DMP_OPERATER_TOKEN: "do-not-show",
          DMP_SOMETHING_ELSE_ALTOGETHER: "1",
          DMP_HEARTBEAT_SUBMIT_BURST: "3",
          DMP_OPERATOR_TOKEN_FILE: "",
          PATH: "/bin"
        })
        assert.deepStrictEqual(notices, [
          {
            level: "WARNING",
            message: "DMP_DNS_PROT is not a variable of this node, did you mean DMP_DNS_PORT?"
          },
          {
            level: "INFO",
            message: "DMP_HEARTBEAT_SUBMIT_BURST has no effect on this node and is ignored"
          },
          {
            level: "WARNING",
            message:
              "DMP_OPERATER_TOKEN is not a variable of this node, did you mean DMP_OPERATOR_TOKEN?"
          },
          {
            level: "WARNING",
            message: "DMP_SOMETHING_ELSE_ALTOGETHER is not a variable of this node"
          }
        ])
      })
  )
})

describe("Settings.layer", () => {
  it.effect("gives each area its part of one read", () =>
    Effect.gen(function* () {
      const { config } = yield* load({ ...token, DMP_MAX_TTL: "300", DMP_DNS_PORT: "0" })
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Limits).maxTtl, 300)
        assert.strictEqual((yield* DnsConfig).port, 0)
        assert.strictEqual((yield* AuthConfig).mode, "legacy")
        assert.strictEqual((yield* ZoneConfig).dnsTtl, 60)
      }).pipe(Effect.provide(Settings.layer(config)))
    })
  )
})

describe("The list of settings", () => {
  it("has no name twice, and describes each", () => {
    const names = Settings.all.flatMap(({ name, aliases }) => [name, ...aliases])
    assert.lengthOf(new Set(names), names.length)
    for (const { about, accepts, defaultText } of Settings.all)
      for (const text of [about, accepts, defaultText]) assert.isNotEmpty(text)
    for (const name of Settings.outdated) assert.notInclude(names, name)
  })
})
