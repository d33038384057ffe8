/** The shipped unit under a real systemd, installed by the commands of docs/systemd.md. */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { eventually, installed } from "../fixtures/Tools.ts"
import { type Machine, machine, possible } from "./SystemdMachine.ts"

const root = join(import.meta.dirname, "../..")

/** A block of the page as root would type it. */
const block = (containing: string, name = "systemd.md"): string => {
  const page = readFileSync(join(root, "docs", name), "utf8")
  const found = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].find(([, text = ""]) =>
    text.includes(containing)
  )
  assert.isDefined(found, `docs/${name} has no block with ${containing}`)
  return found?.[1]?.replaceAll("sudo ", "") ?? ""
}

class Host extends Context.Tag("dnsmesh/test/Host")<Host, Machine>() {
  static readonly layer = Layer.scoped(
    Host,
    Effect.gen(function* () {
      const tarball = execFileSync(
        process.execPath,
        [join(root, "ops/release/pack.ts"), yield* tempDirectory],
        { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }
      ).trim()
      const host = yield* machine([
        `${process.execPath}:/usr/local/bin/node`,
        `${tarball}:/root/${basename(tarball)}`
      ])
      yield* host.must(
        `cd /root; { ${block("enable --now")} } || { journalctl -u dnsmesh-node; exit 1; }`
      )
      return host
    })
  )
}

const property = ({ must }: Machine, name: string) =>
  Effect.map(must(`systemctl show --value -p ${name} dnsmesh-node`), (text) => text.trim())

const authorization = `-H "Authorization: Bearer $(cat /etc/dnsmesh/operator-token)"`
const publish = (name: string) =>
  `curl -sS -o /dev/null -w '%{http_code}' ${authorization} -d '{"value":"v=dmp1;t=systemd","ttl":600}' http://127.0.0.1:8053/v1/records/${name}`
const ask = (name: string) => `dig @127.0.0.1 +short +tries=3 ${name} TXT`

/** Changes the unit as `systemctl edit` does, and waits for the node to run with it. */
const override = (lines: string) =>
  `mkdir -p /etc/systemd/system/dnsmesh-node.service.d
   printf '[Service]\\n${lines}' > /etc/systemd/system/dnsmesh-node.service.d/override.conf
   systemctl daemon-reload; systemctl restart dnsmesh-node`

describe.skipIf(!possible() || !installed("nsenter", "npm", "curl", "dig"))(
  "the systemd unit",
  () => {
    layer(Host.layer, { excludeTestServices: true, timeout: "180 seconds" })((it) => {
      const test = (name: string, body: (host: Machine) => Effect.Effect<unknown>) =>
        it.effect(name, () => Effect.flatMap(Host, body), 120_000)

      test("is up when `systemctl start` returns, and says so", (host) =>
        Effect.gen(function* () {
          const { must } = host
          yield* must("systemctl restart dnsmesh-node; curl -fsS http://127.0.0.1:8053/readyz")
          assert.strictEqual(yield* property(host, "ActiveState"), "active")
          assert.strictEqual(yield* property(host, "StatusText"), "serving")
          assert.include(yield* must("journalctl -u dnsmesh-node --no-pager"), "DMP node up")
        }))

      test("runs as its own user with one capability, sandboxed, on port 53", (host) =>
        Effect.gen(function* () {
          const pid = yield* property(host, "MainPID")
          const status = yield* host.must(`cat /proc/${pid}/status`)
          // CAP_NET_BIND_SERVICE is bit 10.
          assert.match(status, /^CapEff:\s*0*400$/m)
          assert.match(status, /^NoNewPrivs:\s*1$/m)
          assert.match(status, /^Seccomp:\s*2$/m)
          assert.strictEqual((yield* host.must(`stat -c %U /proc/${pid}`)).trim(), "dnsmesh")
          assert.strictEqual(
            (yield* host.must("stat -c '%U %a' /var/lib/dmp")).trim(),
            "dnsmesh 700"
          )
          for (const transport of ["+notcp", "+tcp"])
            assert.include(
              yield* host.must(`dig @127.0.0.1 ${transport} mesh.example.com SOA`),
              "status: NOERROR"
            )
        }))

      test("has the token as a credential, readable by root alone and in no environment", (host) =>
        Effect.gen(function* () {
          const { must } = host
          assert.strictEqual(
            (yield* must("stat -c '%U %a' /etc/dnsmesh/operator-token")).trim(),
            "root 600"
          )
          assert.strictEqual(yield* must(publish("token.mesh.example.com")), "201")
          const pid = yield* property(host, "MainPID")
          const environment = yield* must(`tr '\\0' '\\n' < /proc/${pid}/environ`)
          assert.include(
            environment,
            "DMP_OPERATOR_TOKEN_FILE=/run/credentials/dnsmesh-node.service/"
          )
          assert.notInclude(environment, (yield* must("cat /etc/dnsmesh/operator-token")).trim())
        }))

      test("comes back after kill -9 with what was acknowledged", (host) =>
        Effect.gen(function* () {
          const { must } = host
          assert.strictEqual(yield* must(publish("killed.mesh.example.com")), "201")
          const before = yield* property(host, "MainPID")
          yield* must(`kill -9 ${before}`)
          yield* eventually(
            Effect.map(
              Effect.all([property(host, "MainPID"), property(host, "ActiveState")]),
              ([pid, state]) => pid !== before && pid !== "0" && state === "active"
            ),
            60
          )
          assert.include(yield* must(ask("killed.mesh.example.com")), "t=systemd")
        }))

      test("is killed and started again when its event loop hangs", (host) =>
        Effect.gen(function* () {
          yield* host.must(override("WatchdogSec=5s\\nTimeoutAbortSec=1s\\nRestartSec=100ms\\n"))
          const before = yield* property(host, "MainPID")
          yield* host.must(`kill -STOP ${before}`)
          yield* eventually(
            Effect.map(
              Effect.all([property(host, "MainPID"), property(host, "ActiveState")]),
              ([pid, state]) => pid !== before && pid !== "0" && state === "active"
            ),
            60
          )
          assert.include(
            yield* host.must("journalctl -u dnsmesh-node --no-pager"),
            "Watchdog timeout"
          )
          yield* host.must(
            "rm /etc/systemd/system/dnsmesh-node.service.d/override.conf; systemctl daemon-reload; systemctl restart dnsmesh-node"
          )
        }))

      test("lets a request in flight finish when it is stopped", (host) =>
        Effect.gen(function* () {
          const { must } = host
          const body = `{"value":"v=dmp1;t=drained","ttl":600}`
          const answer = yield* must(`
          exec 3<>/dev/tcp/127.0.0.1/8053
          printf 'POST /v1/records/drained.mesh.example.com HTTP/1.1\\r\\nHost: n\\r\\n' >&3
          printf 'Authorization: Bearer %s\\r\\n' "$(cat /etc/dnsmesh/operator-token)" >&3
          printf 'Content-Length: ${body.length}\\r\\n\\r\\n{' >&3
          until curl -fsS http://127.0.0.1:8053/metrics ${authorization} | grep -q '^dmp_http_requests_in_flight 2'; do sleep 0.05; done
          systemctl stop --no-block dnsmesh-node
          until [ "$(systemctl show --value -p ActiveState dnsmesh-node)" = deactivating ]; do sleep 0.05; done
          printf '%s' '${body.slice(1)}' >&3
          cat <&3`)
          assert.match(answer, /^HTTP\/1\.1 201 /)
          yield* eventually(
            Effect.map(property(host, "ActiveState"), (state) => state === "inactive"),
            60
          )
          assert.strictEqual(yield* property(host, "Result"), "success")
          yield* must("systemctl start dnsmesh-node")
          assert.include(yield* must(ask("drained.mesh.example.com")), "t=drained")
        }))

      test("is helped by the commands beside it, as documented", (host) =>
        Effect.gen(function* () {
          const { must, sh } = host
          // Without a network the look from outside says that it sees nothing, and ends with 1.
          const lines = block("$node_env dnsmesh-node backup").replace(
            /(doctor .*)$/m,
            "$1 || true"
          )
          yield* must(`cd /root; ${lines}`)
          assert.include(yield* must("dnsmesh-node verify - < /root/dnsmesh.tar.gz"), "good:")
          const prefix = block("node_env=").split("\n")[0] ?? ""
          const doctor = yield* sh(`${prefix}\n$node_env dnsmesh-node doctor`)
          for (const check of [
            "dns-udp",
            "dns-tcp",
            "http",
            "permissions",
            "release",
            "proxy-trust"
          ])
            assert.match(
              doctor.stdout,
              new RegExp(`^ok +${check} `, "m"),
              doctor.stdout + doctor.stderr
            )
        }))

      const journal = spawnSync("/usr/bin/python3", ["-c", "import systemd.journal"])
      const banning = installed("fail2ban-client", "nft") && journal.status === 0
      it.effect.skipIf(!banning)(
        "has strangers shut out by fail2ban, as documented, and nobody else",
        () =>
          Effect.gen(function* () {
            const { must, sh } = yield* Host
            // Nobody on the way between them is trusted, and their network is nobody's own.
            yield* must(`
              for last in 1 7 8; do ip address add 198.51.100.$last/32 dev lo; done
              printf '[sshd]\\nbackend = systemd\\n' > /etc/fail2ban/jail.local
              cd "$(npm root -g)/dnsmesh-node"
              ${block("jail.d/dnsmesh-node.conf", "operations.md")}`)
            const look = (from: string, token: string) =>
              sh(`curl -sS -o /dev/null -w '%{http_code}' --connect-timeout 2 --interface ${from} \\
                -H 'Authorization: Bearer ${token}' http://198.51.100.1:80/metrics`)
            // Port 80 is one of those that are closed; the node's own is the proxy's business.
            yield* must(
              "systemd-run --quiet --unit=front caddy reverse-proxy --from http://198.51.100.1:80 --to 127.0.0.1:8053"
            )
            yield* eventually(
              Effect.map(look("198.51.100.8", "x"), ({ stdout }) => stdout === "401"),
              30
            )
            for (let i = 0; i < 10; i++) yield* look("198.51.100.7", "guessed")
            yield* eventually(
              Effect.map(sh("fail2ban-client status dnsmesh-node"), ({ stdout }) =>
                /Banned IP list:\s+198\.51\.100\.7$/m.test(stdout)
              ),
              60
            )
            yield* eventually(
              Effect.map(look("198.51.100.7", "guessed"), ({ stdout }) => stdout === "000"),
              30
            )
            assert.strictEqual((yield* look("198.51.100.8", "guessed")).stdout, "401")
            // A network of IPv6 goes into the set as well as an address does.
            yield* must("fail2ban-client set dnsmesh-node banip 2001:db8:1:2::/64")
            yield* eventually(
              Effect.map(sh("nft list ruleset"), ({ stdout }) =>
                stdout.includes("2001:db8:1:2::/64")
              ),
              30
            )
            yield* must("fail2ban-client unban --all")
            yield* eventually(
              Effect.map(look("198.51.100.7", "guessed"), ({ stdout }) => stdout === "401"),
              30
            )
            yield* must("systemctl stop fail2ban front")
            assert.notInclude(yield* must("nft list ruleset"), "dnsmesh")
          }),
        120_000
      )

      test("does not try again with a wrong configuration", (host) =>
        Effect.gen(function* () {
          const { must, sh } = host
          yield* must("echo DMP_HTTP_PORT=eighty >> /etc/dnsmesh/node.env")
          assert.notStrictEqual((yield* sh("systemctl restart dnsmesh-node")).status, 0)
          assert.strictEqual(yield* property(host, "ExecMainStatus"), "78")
          assert.strictEqual(yield* property(host, "ActiveState"), "failed")
          assert.include(yield* must("journalctl -u dnsmesh-node --no-pager"), "DMP_HTTP_PORT")
        }))
    })
  }
)
