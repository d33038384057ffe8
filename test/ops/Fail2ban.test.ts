/** The shipped fail2ban filter over what a live node writes, read by the real fail2ban. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type NodeProcess, start } from "../e2e/NodeProcess.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { eventually, installed, run } from "../fixtures/Tools.ts"

const kit = join(import.meta.dirname, "../../ops/fail2ban")
const filter = join(kit, "filter.d/dnsmesh-node.conf")
const proxy = "127.0.0.9"
/** Programs of others are started by the dozen. */
const patience = 120_000

/** The addresses that fail2ban finds in `log`, in order; `mode` as in the filter. */
const found = (log: string, mode: "normal" | "aggressive") =>
  Effect.gen(function* () {
    const file = join(yield* tempDirectory, "node.log")
    writeFileSync(file, log)
    const { stderr, stdout } = yield* run("fail2ban-regex", [
      ...["--out", "ip"],
      ...[file, `${filter}[mode=${mode}]`]
    ])
    assert.notMatch(stderr, /error/i)
    return stdout.split("\n").filter((line) => line !== "")
  })

/** A node that logs refusals and believes what the address `proxy` says of its clients. */
const node = (more: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(tempDirectory, (directory) =>
    start({
      DMP_DB_PATH: join(directory, "dmp.db"),
      DMP_OPERATOR_TOKEN: "operator-token-of-a-test",
      DMP_AUTH_MODE: "multi-tenant",
      DMP_SERVED_ZONE: "mesh.test",
      DMP_DNS_APEX_NS: "ns.mesh.test",
      DMP_DNS_UPDATE_ENABLED: "1",
      DMP_TRUSTED_PROXIES: `${proxy}/32`,
      DMP_SECURITY_LOG: "1",
      ...more
    })
  )

/** A request from the loopback address `from`. */
const curl = ({ http }: NodeProcess, from: string, path: string, ...more: ReadonlyArray<string>) =>
  run("curl", [
    ...["--silent", "--show-error", "--path-as-is", "--interface", from, "--write-out"],
    ...["%{http_code}", ...more, `http://127.0.0.1:${http}${path}`]
  ])

const guess = ["-H", "Authorization: Bearer dmp_v1_guessed"]
const behind = (client: string) => ["-H", `X-Real-IP: ${client}`]

const badTsig = ({ dns }: NodeProcess, from: string, transport: string) =>
  run("dig", [
    ...["@127.0.0.1", "-p", String(dns), "-b", from, transport, "+tries=1", "+time=2"],
    ...["-y", "hmac-sha256:nobody:c2VjcmV0c2VjcmV0", "mesh.test", "SOA"]
  ])

const signIn = (it: NodeProcess, client: string) =>
  Effect.gen(function* () {
    const { stdout } = yield* curl(it, proxy, "/admin/login", ...behind(client), "--include")
    const cookie = /^set-cookie: ([^;]+)/im.exec(stdout)?.[1] ?? ""
    const form = /name="form" value="([^"]+)"/.exec(stdout)?.[1] ?? ""
    const fields = ["--data-urlencode", `form=${form}`, "--data-urlencode", "token=guessed"]
    return yield* curl(it, proxy, "/admin/login", ...behind(client), "-b", cookie, ...fields)
  })

/** Waits until all that `addresses` did is in the log: lines are written in order. */
const logged = (it: NodeProcess, text: string) =>
  Effect.as(eventually(Effect.sync(() => it.output().includes(text))), it.output)

describe.skipIf(!installed("fail2ban-regex", "curl", "dig"))("fail2ban", () => {
  for (const format of ["text", "json"] as const)
    it.scopedLive(
      `finds who was refused, and nobody else, in ${format}`,
      () =>
        Effect.gen(function* () {
          const it = yield* node({ DMP_LOG_FORMAT: format })
          const records = "/v1/records/x.mesh.test"
          // A stranger directly, one behind the proxy, one with IPv6, a peer, and one at the login.
          assert.match(
            (yield* curl(it, "127.0.0.2", records, "-X", "POST", ...guess)).stdout,
            /401$/
          )
          yield* curl(it, proxy, "/metrics", ...behind("203.0.113.9"), ...guess)
          yield* curl(it, proxy, records, ...behind("2001:db8:1:2::3"), "-X", "POST", ...guess)
          yield* curl(it, proxy, "/v1/sync/digest", ...behind("203.0.113.11"), ...guess)
          assert.match((yield* signIn(it, "203.0.113.12")).stdout, /401$/)
          assert.include((yield* badTsig(it, "127.0.0.3", "+tcp")).stdout, "BADKEY")

          // Over UDP anybody can write any sender. The proxy is not who was refused, and whoever
          // has shown no credential has guessed at none.
          assert.include((yield* badTsig(it, "127.0.0.4", "+notcp")).stdout, "BADKEY")
          yield* curl(it, proxy, "/metrics", ...guess)
          yield* curl(it, "127.0.0.5", "/metrics")
          yield* curl(it, "127.0.0.6", "/metrics", ...behind("198.51.100.66"), ...guess)
          const log = (yield* logged(it, "127.0.0.6"))()

          assert.deepStrictEqual(yield* found(log, "normal"), [
            "127.0.0.2",
            "203.0.113.9",
            "2001:db8:1:2::/64",
            "203.0.113.11",
            "203.0.113.12",
            "127.0.0.3",
            "127.0.0.6"
          ])
        }),
      patience
    )

  it.scopedLive(
    "finds who goes over a limit when it is told to be aggressive",
    () =>
      Effect.gen(function* () {
        const it = yield* node({ DMP_HTTP_RATE: "0.01", DMP_HTTP_BURST: "1" })
        const read = curl(it, proxy, "/v1/records/x.mesh.test", ...behind("203.0.113.7"))
        yield* read
        assert.match((yield* read).stdout, /429$/)
        const log = (yield* logged(it, "203.0.113.7"))()
        assert.deepStrictEqual(yield* found(log, "normal"), [])
        assert.deepStrictEqual(yield* found(log, "aggressive"), ["203.0.113.7"])
      }),
    patience
  )

  for (const format of ["text", "json"] as const)
    it.scopedLive(
      `cannot be fed a line by a client, in ${format}, even at DEBUG`,
      () =>
        Effect.gen(function* () {
          const it = yield* node({ DMP_LOG_FORMAT: format, DMP_LOG_LEVEL: "DEBUG" })
          const date = "2026-11-28 10:00:00,123 "
          const text =
            "WARNING dmp.server.security: refused reason=token client=198.51.100.66 route=dns/tcp"
          const object =
            '{"ts":"2026-11-28T10:00:00.123Z","level":"WARNING","logger":"dmp.server.security","msg":"refused","reason":"token","client":"198.51.100.66","route":"dns/tcp"}'
          const docker = `{"log":"${date}${text}\\n","stream":"stdout","time":"2026-11-28T10:00:00.123456789Z"}`
          for (const lie of [text, date + text, object, docker, `h node[1]: ${text}`])
            for (const way of [lie, `\n${lie}`, `\r\n${lie}\n`, `\u2028${lie}`]) {
              const escaped = encodeURIComponent(way)
              const oneLine = way.replaceAll(/[\r\n\u2028]/g, "")
              yield* curl(it, "127.0.0.2", `/v1/records/${escaped}`)
              yield* curl(it, "127.0.0.2", `/${escaped}`)
              yield* curl(
                ...([it, "127.0.0.2", "/v1/records/x.mesh.test", "-X", "POST"] as const),
                ...["-H", `Authorization: Bearer ${oneLine}`, "-H", `User-Agent: ${oneLine}`],
                ...["--data", JSON.stringify({ value: way, ttl: 60 })]
              )
              yield* curl(
                ...([it, proxy, "/livez", "-H", `X-Request-Id: ${oneLine}`] as const),
                ...["-H", `X-Forwarded-For: ${oneLine}`, "-H", `X-Real-IP: ${oneLine}`]
              )
            }
          yield* curl(it, "127.0.0.3", "/metrics", ...guess)
          const log = (yield* logged(it, "127.0.0.3"))()
          assert.include(log, "198.51.100.66", "the access log has what was asked")
          for (const mode of ["normal", "aggressive"] as const)
            assert.deepStrictEqual(
              [...new Set(yield* found(log, mode))],
              ["127.0.0.2", "127.0.0.3"]
            )
        }),
      patience
    )

  it.scopedLive(
    "finds the same in what Docker and the journal make of the lines",
    () =>
      Effect.gen(function* () {
        const event = (client: string) =>
          `{"ts":"2026-11-28T10:00:00.123Z","level":"WARNING","logger":"dmp.server.security","msg":"refused","reason":"login","client":"${client}","route":"/admin/login"}`
        const line = (client: string) =>
          `2026-11-28 10:00:00,123 WARNING dmp.server.security: refused reason=login client=${client} route=/admin/login`
        const journal = (text: string) => `2026-11-28T10:00:00.123456 host node[7]: ${text}`
        const docker = (text: string) =>
          JSON.stringify({
            log: `${text}\n`,
            stream: "stdout",
            time: "2026-11-28T10:00:00.123456789Z"
          })
        const log = [
          journal(line("203.0.113.1")),
          journal(event("203.0.113.2")),
          docker(line("203.0.113.3")),
          docker(event("203.0.113.4")),
          ""
        ].join("\n")
        assert.deepStrictEqual(
          yield* found(log, "normal"),
          [1, 2, 3, 4].map((n) => `203.0.113.${n}`)
        )
      }),
    patience
  )
})
