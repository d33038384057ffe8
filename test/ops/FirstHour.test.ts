/**
 * A new operator's first hour on a clean Debian, by the commands of docs/systemd.md and
 * docs/operations.md: node, TLS, a registered user, doctor, an alert that fires, a backup, the
 * loss of everything, and a restore. Only what the machine lacks is stood in for: a parent zone
 * (BIND), a public address (on the loopback), a public authority (Caddy's own).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as User from "../e2e/User.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { eventually, installed } from "../fixtures/Tools.ts"
import { machine, possible } from "./SystemdMachine.ts"

const root = join(import.meta.dirname, "../..")

/** A block of a page as root would type it. */
const block = (page: string, containing: string): string => {
  const text = readFileSync(join(root, "docs", page), "utf8")
  const found = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].find(([, block = ""]) =>
    block.includes(containing)
  )
  assert.isDefined(found, `docs/${page} has no block with ${containing}`)
  return found?.[1]?.replaceAll("sudo ", "") ?? ""
}

const parent = `
$TTL 60
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.9
dmp A 203.0.113.7
mesh NS dmp
`
const named = `
options { directory "/tmp"; listen-on { 127.0.0.9; }; listen-on-v6 { none; }; recursion yes;
  allow-query { any; }; dnssec-validation no; pid-file none; };
zone "example.com" { type primary; file "/etc/bind/parent.db"; };
`

const Findings = Schema.parseJson(
  Schema.Struct({
    findings: Schema.Array(
      Schema.Struct({ check: Schema.String, level: Schema.String, message: Schema.String })
    )
  })
)
const Alerts = Schema.parseJson(
  Schema.Struct({
    data: Schema.Struct({
      alerts: Schema.Array(
        Schema.Struct({ state: Schema.String, labels: Schema.Struct({ alertname: Schema.String }) })
      )
    })
  })
)

describe.skipIf(
  !possible() || !installed("nsenter", "npm", "curl", "dig", "caddy", "prometheus", "named")
)("a new operator's first hour", () => {
  it.scopedLive(
    "leads from nothing to TLS, a user, an alert and a restore",
    () =>
      Effect.gen(function* () {
        let last = Date.now()
        const step = (name: string) => {
          console.log(`${name}: ${Math.round((Date.now() - last) / 100) / 10} s`)
          last = Date.now()
        }
        const tarball = execFileSync(
          process.execPath,
          [join(root, "ops/release/pack.ts"), yield* tempDirectory],
          { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }
        ).trim()
        const { must, sh } = yield* machine([
          `${process.execPath}:/usr/local/bin/node`,
          `${tarball}:/root/${basename(tarball)}`
        ])
        const nodeEnv = block("systemd.md", "node_env=").split("\n")[0] ?? ""
        step("machine and package")

        // The world around it.
        yield* must(`
          ip address add 203.0.113.7/32 dev lo; ip address add 127.0.0.9/32 dev lo
          echo '203.0.113.7 dmp.example.com' >> /etc/hosts
          echo '${parent}' > /etc/bind/parent.db; echo '${named}' > /etc/bind/walk.conf
          systemd-run --quiet --unit=parent named -g -c /etc/bind/walk.conf
          for try in $(seq 100); do
            dig @127.0.0.9 +short +tries=1 dmp.example.com A && exit; sleep 0.1
          done
          journalctl -u parent -n 15 --no-pager; exit 1`)
        step("parent zone")

        // Port 53 is partly taken, by that parent; the page says what to do then.
        yield* must(
          `cd /root; ${block("systemd.md", "enable --now").replace(
            "systemctl daemon-reload",
            "echo DMP_DNS_HOST=203.0.113.7 >> /etc/dnsmesh/node.env\nsystemctl daemon-reload"
          )}`
        )
        step("install, init, start")
        yield* must(`${nodeEnv}\n${block("systemd.md", "DMP_REGISTRATION_ENABLED=1")}`)
        step("registration on")
        yield* must(
          block("systemd.md", "Caddyfile").replace(
            "systemctl restart caddy",
            `sed -i 's/encode gzip zstd/tls internal/' /etc/caddy/Caddyfile\nsystemctl restart caddy`
          )
        )
        const ca = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
        yield* eventually(
          Effect.map(
            sh(`curl -fsS --cacert ${ca} https://dmp.example.com/readyz`),
            ({ status }) => status === 0
          ),
          60
        )
        step("TLS")

        const curl = `curl -sS --cacert ${ca}`
        const challenge = yield* must(`${curl} https://dmp.example.com/v1/registration/challenge`)
        const user = User.person("alice@mesh.example.com")
        const confirmation = User.confirmation(user, User.members({ body: challenge }))
        const issued = yield* must(
          `${curl} https://dmp.example.com/v1/registration/confirm -H 'content-type: application/json' -d '${JSON.stringify(confirmation)}'`
        )
        const token = String(User.members({ body: issued })["token"])
        assert.match(token, /^dmp_v1_/, issued)
        const name = user.identity.replace(/mesh\.test$/, "mesh.example.com")
        const publish = `${curl} -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer ${token}' -d '{"value":"v=of alice","ttl":3600}' https://dmp.example.com/v1/records/${name}`
        assert.strictEqual(yield* must(publish), "201")
        const look = `dig @127.0.0.9 +short +tries=3 ${name} TXT`
        assert.strictEqual((yield* must(look)).trim(), '"v=of alice"')
        step("a user registers and publishes, a resolver finds it")

        const doctor = (more: string) =>
          Effect.map(
            sh(
              `install -m 0444 ${ca} /tmp/ca.pem; ${nodeEnv}\n$node_env dnsmesh-node doctor --json ${more}`
            ),
            ({ stdout }) => Schema.decodeUnknownSync(Findings)(stdout).findings
          )
        const found = yield* doctor("--resolver 127.0.0.9 --ca /tmp/ca.pem")
        const levelOf = (check: string) => found.find((finding) => finding.check === check)?.level
        for (const check of ["delegation", "reach-udp", "reach-tcp", "https", "tls", "proxy-trust"])
          assert.strictEqual(levelOf(check), "ok", JSON.stringify(found))
        assert.deepStrictEqual(
          found.filter(({ level }) => level === "fail"),
          []
        )
        const private_ = yield* doctor("--resolver 127.0.0.9")
        assert.include(private_.find(({ check }) => check === "tls")?.message, "comes from a")
        // As from a laptop: nobody in particular, and no settings.
        const far = yield* sh(
          `setpriv --reuid nobody --regid nogroup --clear-groups env -i PATH="$PATH" dnsmesh-node doctor --outside dmp.example.com --zone mesh.example.com --resolver 127.0.0.9 --ca /tmp/ca.pem`
        )
        assert.strictEqual(far.status, 0, far.stdout + far.stderr)
        for (const check of ["delegation", "reach-tcp", "tls", "plain-http", "metrics"])
          assert.match(far.stdout, new RegExp(`^ok +${check} `, "m"), far.stdout)
        step("doctor, thrice")

        yield* must(`
          cd "$(npm root -g)/dnsmesh-node"
          ${block("operations.md", "/etc/prometheus/dnsmesh-token").replace(
            "systemctl restart prometheus",
            `install -m 0444 ${ca} /etc/prometheus/ca.pem
             sed -i 's/_interval: 15s/_interval: 1s/; s|scheme: https|scheme: https\\n    tls_config: { ca_file: /etc/prometheus/ca.pem }|' /etc/prometheus/prometheus.yml
             systemctl restart prometheus`
          )}`)
        yield* eventually(
          Effect.map(
            sh(`curl -fsS 'http://127.0.0.1:9090/api/v1/query?query=dmp_ready' | grep -q '"1"'`),
            ({ status }) => status === 0
          ),
          90
        )
        step("Prometheus scrapes over TLS")
        // Somebody who publishes faster than allowed: more than the burst, from one address.
        yield* must(
          `seq 150 | xargs -P 4 -I{} curl -s -o /dev/null --cacert ${ca} https://dmp.example.com/v1/records/x{}.mesh.example.com`
        )
        yield* eventually(
          Effect.gen(function* () {
            const { stdout } = yield* sh("curl -fsS http://127.0.0.1:9090/api/v1/alerts")
            return Schema.decodeUnknownSync(Alerts)(stdout).data.alerts.some(
              ({ labels, state }) =>
                labels.alertname === "DnsmeshHttpRateLimited" && state === "firing"
            )
          }),
          60
        )
        step("an alert fires")

        yield* must(`cd /root; ${nodeEnv}\n$node_env dnsmesh-node backup - > dnsmesh.tar.gz`)
        step("backup")
        yield* must("systemctl kill -s KILL dnsmesh-node; systemctl stop dnsmesh-node")
        yield* must("rm -rf /var/lib/dmp")
        assert.strictEqual((yield* must(look)).trim(), '"v=of alice"', "from the resolver's cache")
        step("everything is lost")
        yield* must(`cd /root; ${nodeEnv}\n${block("systemd.md", "restore --replace")}`)
        const direct = `dig @203.0.113.7 +short +tries=3 ${name} TXT`
        assert.strictEqual((yield* must(direct)).trim(), '"v=of alice"')
        assert.strictEqual(yield* must(publish), "201", "the credential is there again")
        step("restore")
      }),
    240_000
  )
})
