/** From nothing to a running node and back, with the commands an operator has. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"
import * as Node from "./NodeProcess.ts"

const run = (args: ReadonlyArray<string>, env: Node.Environment = {}) =>
  Effect.gen(function* () {
    const { ended, output } = yield* Node.launch(args, env)
    const { code } = yield* ended
    return { code, output: output() }
  }).pipe(Effect.scoped)

const Report = Schema.parseJson(
  Schema.Struct({
    findings: Schema.Array(
      Schema.Struct({ check: Schema.String, level: Schema.String, remedy: Schema.String })
    )
  })
)

describe("an operator's first day", () => {
  it.scopedLive(
    "settings, start, health, doctor, migration",
    () =>
      Effect.gen(function* () {
        const home = yield* Node.directory
        const asked = [
          ...["init", "--for", "shell", "--config", home, "--directory", join(home, "data")],
          ...["--hostname", "dmp.example.com", "--zone", "mesh.example.com"],
          ...["--mode", "multi-tenant", "--address", "203.0.113.7"]
        ]
        const written = yield* run(asked)
        assert.strictEqual(written.code, 0, written.output)
        assert.include(written.output, "mesh.example.com.  3600  IN  NS")
        for (const file of ["node.env", "operator-token"])
          assert.strictEqual(statSync(join(home, file)).mode & 0o777, 0o600)
        const token = readFileSync(join(home, "operator-token"), "utf8")
        assert.notInclude(written.output, token.trim())

        const again = yield* run(asked)
        assert.strictEqual(again.code, 74)
        assert.include(again.output, "left as it is")
        assert.strictEqual(readFileSync(join(home, "operator-token"), "utf8"), token)
        const unasked = yield* run(["init", "--for", "shell", "--config", join(home, "x")])
        assert.include(unasked.output, "--hostname is missing")

        // The lines of the file as a shell would read them.
        const settings = Object.fromEntries(
          Object.entries(parseEnv(readFileSync(join(home, "node.env"), "utf8"))).map(
            ([name, value]) => [name, String(value)]
          )
        )
        const down = yield* run(["healthcheck"], {
          ...settings,
          DMP_HTTP_PORT: "1",
          DMP_DNS_PORT: "1"
        })
        assert.strictEqual(down.code, 1, down.output)

        const node = yield* Node.start(settings)
        const beside = {
          ...settings,
          DMP_HTTP_HOST: "127.0.0.1",
          DMP_DNS_HOST: "127.0.0.1",
          DMP_HTTP_PORT: String(node.http),
          DMP_DNS_PORT: String(node.dns)
        }
        const health = yield* run(["healthcheck"], beside)
        assert.strictEqual(health.code, 0, health.output)

        const { ended, output } = yield* Node.launch(["doctor", "--json", "--hardening"], beside)
        assert.strictEqual((yield* ended).code, 0, output())
        const text = output().slice(0, output().lastIndexOf("}") + 1)
        const { findings } = yield* Schema.decode(Report)(text)
        const level = (check: string) => findings.find((found) => found.check === check)?.level
        for (const check of [
          "config",
          "disk",
          "permissions",
          "dns-udp",
          "dns-tcp",
          "http",
          "release"
        ])
          assert.strictEqual(level(check), "ok", check)
        for (const found of findings)
          assert.strictEqual(found.remedy === "", found.level === "ok", found.check)

        const plan = yield* run(["migrate", "--dry-run"], beside)
        assert.strictEqual(plan.code, 0, plan.output)
        assert.include(plan.output, "stays as it is")

        // From a machine without settings: here even without a resolver that answers.
        const silent = ["--resolver", "127.0.0.1:1"]
        const far = yield* run(["doctor", "--outside", "dmp.example.com", ...silent], {})
        assert.strictEqual(far.code, 0, far.output)
        assert.match(far.output, /does not tell the addresses of dmp\.example\.com/)
        assert.notInclude(far.output, "config")
        for (const args of [
          ["--zone", "mesh.test"],
          ["--outside", "x", "--hardening"]
        ])
          assert.notStrictEqual((yield* run(["doctor", ...args], beside)).code, 0, args.join(" "))

        const wrong = yield* run(["doctor"], { ...beside, DMP_HTTP_PORT: "eighty" })
        assert.strictEqual(wrong.code, 1)
        assert.include(wrong.output, "DMP_HTTP_PORT")
      }),
    120_000
  )
})
