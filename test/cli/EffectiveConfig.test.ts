import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { page } from "../../src/cli/ConfigReference.ts"
import { asJson, asText, type EffectiveSetting, startLine } from "../../src/cli/EffectiveConfig.ts"
import { startWarnings } from "../../src/cli/StartWarnings.ts"
import type { Environment } from "../../src/runtime/Environment.ts"
import * as Settings from "../../src/Settings.ts"

const load = (environment: Environment) =>
  Effect.provide(Settings.loadConfig(environment), NodeFileSystem.layer)

const busy = {
  DMP_HTTP_TOKEN: "t0p-s3cret",
  DMP_DNS_PORT: "5300",
  DMP_SERVED_ZONE: "mesh.example",
  DMP_HTTP_HOST: "::1",
  OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer c0llector",
  DMP_NODE_HOSTNAME: "Node.Example"
}

describe("The effective configuration", () => {
  it.effect("is logged as one line with the mode, and without secrets", () =>
    Effect.gen(function* () {
      const line = startLine(yield* load(busy))
      assert.notMatch(line, /\n|s3cret|c0llector/)
      for (const part of [
        "auth_mode=legacy",
        "served_zone=mesh.example",
        "http=[::1]:8053",
        "DMP_DNS_PORT=5300",
        `DMP_OPERATOR_TOKEN="(set, hidden)"`
      ])
        assert.include(line, part)
      assert.notInclude(line, "DMP_MAX_TTL")
    })
  )

  it.effect("names every setting, as text and as JSON, and hides secrets in both", () =>
    Effect.gen(function* () {
      const loaded = yield* load(busy)
      const text = asText(loaded)
      const json: { settings: ReadonlyArray<EffectiveSetting> } = JSON.parse(asJson(loaded))
      assert.deepStrictEqual(
        json.settings.map(({ name }) => name),
        Settings.all.map(({ name }) => name)
      )
      for (const { name } of Settings.all) assert.include(text, name)
      assert.deepInclude(json.settings, {
        area: "Authorisation",
        name: "DMP_OPERATOR_TOKEN",
        value: "(set, hidden)",
        source: "DMP_HTTP_TOKEN"
      })
      assert.notMatch(text + asJson(loaded), /s3cret|c0llector/)
    })
  )
})

describe("Warnings at the start", () => {
  const warnings = (environment: Environment) =>
    Effect.map(load(environment), ({ config }) => startWarnings(config))

  it.effect("speak of open metrics, and of an open door others can reach", () =>
    Effect.gen(function* () {
      const [metrics, open, ...more] = yield* warnings({})
      assert.include(metrics, "metrics endpoint unauthenticated")
      assert.include(metrics, "DMP_HTTP_TOKEN")
      assert.include(open, "open mode on a public address")
      assert.isEmpty(more)
    })
  )
  it.effect("speak of metrics alone where only this machine reaches the node", () =>
    Effect.map(warnings({ DMP_HTTP_HOST: "127.0.0.1" }), (all) => assert.lengthOf(all, 1))
  )
  it.effect("fall silent with an operator token", () =>
    Effect.map(warnings({ DMP_OPERATOR_TOKEN: "t" }), (all) => assert.isEmpty(all))
  )
})

describe("docs/configuration.md", () => {
  it("is what `npm run docs:config` writes", () => {
    const written = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")
    assert.strictEqual(written, page())
    for (const { name } of Settings.all) assert.include(written, `\`${name}\``)
  })
})
