/**
 * The observability kit against the real thing: rules and their tests by promtool, and a real
 * Prometheus that scrapes the built node through a real Caddy as the production guide has it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "yaml"
import { directory, publish, request, start } from "../e2e/NodeProcess.ts"
import { daemon, eventually, installed, run } from "../fixtures/Tools.ts"

const root = join(import.meta.dirname, "../..")
const kit = join(root, "ops/prometheus")
const text = (file: string) => readFileSync(join(root, file), "utf8")

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly runbook: string }
}
const rules: ReadonlyArray<Rule> = (
  parse(text("ops/prometheus/rules.yml")) as {
    readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
  }
).groups.flatMap((group) => group.rules)

interface Panel {
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}
const panels = (JSON.parse(text("ops/grafana/dashboard.json")) as { panels: ReadonlyArray<Panel> })
  .panels
const queries = panels.flatMap(({ targets = [], title }) =>
  targets.map(({ expr }) => ({ title, expr }))
)

/** What Grafana puts in before it asks. */
const asked = (expr: string): string =>
  expr
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__interval", "1m")
    .replaceAll("$__range", "1h")
    .replaceAll("$instance", ".*")

const metricsIn = (expr: string): ReadonlyArray<string> =>
  expr.match(/\b(?:dmp|nodejs|process)_[a-z0-9_]+\b/g) ?? []

/** Families a node has only when it does something that this test's node does not. */
const optional = /^dmp_(sync|cluster|heartbeat)_/

const documented = [
  'rate(dmp_dns_queries_total{outcome="rate_limited"}[5m]) > 0',
  "dmp_records > 100000",
  'rate(dmp_http_requests_total{status="429"}[5m]) > 0'
]

describe("the alerts", () => {
  it("have the expressions of the production guide among them, word for word", () => {
    const expressions = rules.map(({ expr }) => expr)
    for (const expression of documented) assert.include(expressions, expression)
  })

  it("have a runbook each, where they say it is", () => {
    const headings = new Set(
      [...text("docs/operations.md").matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
        title!.toLowerCase()
      )
    )
    for (const { alert, annotations } of rules) {
      assert.isTrue(headings.has(alert.toLowerCase()), `docs/operations.md has no ${alert}`)
      assert.strictEqual(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`)
    }
  })

  it("are tried in both directions by rules.test.yml", () => {
    const names = (
      parse(text("ops/prometheus/rules.test.yml")) as {
        readonly tests: ReadonlyArray<{ readonly name: string }>
      }
    ).tests.map(({ name }) => name)
    for (const { alert } of rules)
      for (const direction of ["fires", "stays quiet"])
        assert.include(names, `${alert} ${direction}`)
  })

  it("and the graphs speak of metrics that the sources define", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => text(join("src", file)))
      .join("\n")
    const names = [...rules, ...queries].flatMap(({ expr }) => metricsIn(expr))
    assert.isAbove(names.length, 40)
    for (const name of new Set(names))
      assert.include(sources, `"${name.replace(/_(bucket|sum|count)$/, "")}"`)
  })
})

describe("the metrics reference", () => {
  it("lists every metric that the sources define", () => {
    const reference = text("docs/operations.md")
    const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    const defined = files
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [
        ...text(join("src", file)).matchAll(
          /(?:counter|gauge|histogram|counterFamily|counters)\(\s*"((?:dmp|nodejs|process)_[a-z0-9_]+)"/g
        )
      ])
      .map(([, name]) => name!)
    assert.isAbove(defined.length, 50)
    for (const name of defined) assert.include(reference, `\`${name}\``)
  })
})

describe.skipIf(!installed("promtool"))("promtool", () => {
  it.effect("accepts the rules, their tests and the scrape configuration", () =>
    Effect.gen(function* () {
      for (const args of [
        ["check", "rules", join(kit, "rules.yml")],
        ["test", "rules", join(kit, "rules.test.yml")],
        ["check", "config", "--syntax-only", join(kit, "prometheus.yml")]
      ]) {
        const { status, stderr, stdout } = yield* run("promtool", args)
        assert.strictEqual(status, 0, `${stdout}${stderr}`)
      }
    })
  )
})

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    )
  })
})

interface Reply {
  readonly status: string
  readonly error?: string
  readonly data: unknown
}

describe.skipIf(!installed("prometheus", "promtool", "caddy", "dig"))(
  "a Prometheus that scrapes the node through Caddy",
  () => {
    it.scopedLive(
      "sees every metric it needs, evaluates every alert and draws every graph",
      () =>
        Effect.gen(function* () {
          const token = "scrape-token-0123456789abcdef"
          const dir = yield* directory
          const node = yield* start({
            DMP_DB_PATH: join(dir, "dmp.db"),
            DMP_BACKUP_DIR: join(dir, "backups"),
            DMP_OPERATOR_TOKEN: token,
            DMP_AUTH_MODE: "multi-tenant",
            DMP_DNS_UPDATE_ENABLED: "1",
            DMP_DNS_RATE: "1",
            DMP_DNS_BURST: "3",
            DMP_HTTP_RATE: "0.01",
            DMP_HTTP_BURST: "3"
          })
          const https = yield* freePort
          const web = yield* freePort
          writeFileSync(
            join(dir, "caddy.json"),
            JSON.stringify({
              admin: { disabled: true },
              storage: { module: "file_system", root: join(dir, "caddy") },
              apps: {
                http: {
                  http_port: 1,
                  https_port: https,
                  servers: {
                    front: {
                      listen: [`127.0.0.1:${https}`],
                      automatic_https: { disable_redirects: true },
                      routes: [
                        {
                          match: [{ host: ["localhost"] }],
                          handle: [
                            {
                              handler: "reverse_proxy",
                              upstreams: [{ dial: `127.0.0.1:${node.http}` }]
                            }
                          ],
                          terminal: true
                        }
                      ]
                    }
                  }
                },
                tls: { automation: { policies: [{ issuers: [{ module: "internal" }] }] } },
                pki: { certificate_authorities: { local: { install_trust: false } } }
              }
            })
          )
          const caddy = yield* daemon("caddy", ["run", "--config", join(dir, "caddy.json")])
          const authority = join(dir, "caddy/pki/authorities/local/root.crt")

          // The shipped configuration with this machine's addresses in it, and scraping faster.
          const config = parse(text("ops/prometheus/prometheus.yml")) as {
            scrape_configs: Array<Record<string, unknown> & { authorization?: object }>
          }
          const [scrape] = config.scrape_configs
          writeFileSync(join(dir, "dnsmesh-token"), `${token}\n`)
          writeFileSync(
            join(dir, "prometheus.yml"),
            JSON.stringify({
              global: { scrape_interval: "1s", evaluation_interval: "1s" },
              rule_files: [join(kit, "rules.yml")],
              scrape_configs: [
                {
                  ...scrape,
                  static_configs: [{ targets: [`localhost:${https}`] }],
                  tls_config: { ca_file: authority },
                  authorization: {
                    ...scrape?.authorization,
                    credentials_file: join(dir, "dnsmesh-token")
                  }
                }
              ]
            })
          )
          const prometheus = yield* daemon("prometheus", [
            `--config.file=${join(dir, "prometheus.yml")}`,
            `--storage.tsdb.path=${join(dir, "tsdb")}`,
            `--web.listen-address=127.0.0.1:${web}`
          ])
          const ask = (path: string, query: Record<string, string> = {}) =>
            Effect.promise(async (): Promise<Reply> => {
              const url = `http://127.0.0.1:${web}/api/v1/${path}?${new URLSearchParams(query)}`
              return (await fetch(url)).json() as Promise<Reply>
            })
          const result = (expr: string) =>
            Effect.map(ask("query", { query: expr }), (reply) => {
              assert.strictEqual(reply.status, "success", `${expr}: ${reply.error}`)
              return (reply.data as { readonly result: ReadonlyArray<unknown> }).result
            })

          // Something to be counted: publishes, refusals, queries within and over the limit.
          for (let i = 0; i < 5; i++) yield* publish(node, "a.mesh.test", "v=1", 60, token)
          yield* Effect.forEach(
            Array.from({ length: 12 }),
            () =>
              run("dig", [
                "-p",
                String(node.dns),
                "@127.0.0.1",
                "+tries=1",
                "+time=1",
                "+nocookie",
                "a.mesh.test",
                "TXT"
              ]),
            { concurrency: 6 }
          )
          yield* eventually(
            Effect.map(
              Effect.orElseSucceed(
                Effect.tryPromise(async () => {
                  const url = `http://127.0.0.1:${web}/api/v1/query?query=${encodeURIComponent('count_over_time(up{job="dnsmesh-node"}[1m]) > 3 and up == 1 and on () dmp_backup_bytes > 0')}`
                  const reply = (await (await fetch(url)).json()) as {
                    data: { result: Array<unknown> }
                  }
                  return reply.data.result.length
                }),
                () => 0
              ),
              (length) => length === 1
            ),
            60
          ).pipe(
            Effect.tapErrorCause(() =>
              Effect.sync(() =>
                console.error(caddy.log().slice(-3000), prometheus.log().slice(-3000))
              )
            )
          )

          const names = new Set((yield* ask("label/__name__/values")).data as ReadonlyArray<string>)
          for (const { expr } of [...rules, ...queries])
            for (const name of metricsIn(expr))
              if (!optional.test(name)) assert.isTrue(names.has(name), `${name} is not scraped`)

          for (const { expr, title } of queries) {
            const series = yield* result(asked(expr))
            if (!metricsIn(expr).some((name) => optional.test(name)) && !expr.includes("rate("))
              assert.isAbove(series.length, 0, `${title} is empty: ${expr}`)
          }
          for (const expression of documented) yield* result(expression)
          assert.strictEqual((yield* result("dmp_records"))?.length, 1)
          for (const expr of [
            'sum(dmp_dns_queries_total{outcome="rate_limited"}) > 0',
            'sum(dmp_http_requests_total{status="429"}) > 0',
            "dmp_ready == 1",
            "dmp_disk_free_bytes / dmp_disk_size_bytes < 1"
          ])
            assert.lengthOf(yield* result(expr), 1, expr)

          const loaded = (yield* ask("rules")).data as {
            groups: ReadonlyArray<{
              rules: ReadonlyArray<{ name: string; health: string; lastError?: string }>
            }>
          }
          const states = loaded.groups.flatMap((group) => group.rules)
          assert.lengthOf(states, rules.length)
          for (const { health, lastError, name } of states)
            assert.strictEqual(health, "ok", `${name}: ${lastError}`)

          const page = yield* request(node, "/metrics", {
            headers: { authorization: `Bearer ${token}` }
          })
          const checked = yield* run("promtool", ["check", "metrics"], page.body)
          assert.strictEqual(checked.status, 0, checked.stdout + checked.stderr)
          assert.strictEqual(checked.stdout + checked.stderr, "")
          // What the page exposes is what the reference lists.
          const reference = text("docs/operations.md")
          for (const [, family] of page.body.matchAll(/^# TYPE (\S+)/gm))
            assert.include(reference, `\`${family}\``, "the metrics reference is incomplete")
        }),
      120_000
    )
  }
)
