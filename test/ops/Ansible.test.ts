/** The Ansible role by the real Ansible, against a Debian with a real systemd. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { parse } from "yaml"
import * as Settings from "../../src/Settings.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { installed, run } from "../fixtures/Tools.ts"
import { type Machine, machine, possible } from "./SystemdMachine.ts"

const root = join(import.meta.dirname, "../..")
const kit = join(root, "ops/ansible")
const role = join(kit, "roles/dnsmesh_node")

describe("the Ansible role", () => {
  it("knows which settings are secrets", () => {
    const vars = parse(readFileSync(join(role, "vars/main.yml"), "utf8"))
    const secrets = Settings.all
      .filter(({ secret }) => secret)
      .flatMap(({ aliases, name }) => [name, ...aliases])
    assert.sameMembers(vars.dnsmesh_node_secret_settings, secrets)
  })

  it("describes every one of its variables and uses no other", () => {
    const defaults = readFileSync(join(role, "defaults/main.yml"), "utf8")
    const documented = readFileSync(join(root, "docs/ansible.md"), "utf8")
    const example = readFileSync(join(kit, "inventory.example.yml"), "utf8")
    const known = Object.keys(parse(defaults))
    for (const page of [documented, example])
      for (const [name] of page.matchAll(/dnsmesh_node_\w+/g)) assert.include(known, name)
    for (const name of known) assert.include(documented, `\`${name}\``)
  })
})

const ansible = (command: string, ...args: ReadonlyArray<string>) =>
  run("sh", ["-c", `cd "$0" && exec "$@"`, kit, command, ...args], "", 100)

describe.skipIf(!installed("ansible-playbook"))("Ansible", () => {
  it.effect("takes the playbook for one", () =>
    Effect.gen(function* () {
      const { status, stderr } = yield* ansible(
        ...(["ansible-playbook", "--syntax-check", "-i", "inventory.example.yml"] as const),
        "site.yml"
      )
      assert.strictEqual(status, 0, stderr)
    })
  )

  it.effect.skipIf(!installed("ansible-lint"))(
    "has nothing to say against the role, at its strictest",
    () =>
      Effect.gen(function* () {
        const { status, stderr, stdout } = yield* ansible(
          ...(["ansible-lint", "--offline", "--profile", "production", "-q"] as const),
          ...["site.yml", "roles"]
        )
        assert.strictEqual(status, 0, stdout + stderr)
      }),
    110_000
  )
})

/** The package with something changed, repacked as `name`. */
const changed = (tarball: string, name: string, change: (tree: string) => void) =>
  Effect.map(tempDirectory, (directory) => {
    const tree = join(directory, "package")
    execFileSync("tar", ["-xzf", tarball, "-C", directory])
    change(tree)
    const file = join(directory, name)
    execFileSync("tar", ["-czf", file, "-C", directory, "package"])
    return file
  })

class Host extends Context.Tag("dnsmesh/test/AnsibleHost")<Host, Machine>() {
  static readonly layer = Layer.scoped(
    Host,
    Effect.gen(function* () {
      const first = execFileSync(
        process.execPath,
        [join(root, "ops/release/pack.ts"), yield* tempDirectory],
        { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }
      ).trim()
      const next = yield* changed(first, "next.tgz", (tree) => {
        const file = join(tree, "package.json")
        const json = JSON.parse(readFileSync(file, "utf8"))
        writeFileSync(file, JSON.stringify({ ...json, version: "0.1.1" }))
      })
      const broken = yield* changed(first, "broken.tgz", (tree) =>
        writeFileSync(join(tree, "dist/main.js"), "process.exit(1)\n")
      )
      const folder = yield* tempDirectory
      mkdirSync(join(folder, "ansible"))
      cpSync(kit, join(folder, "ansible"), { recursive: true })
      execFileSync("tar", ["-cf", join(folder, "role.tar"), "-C", folder, "ansible"])
      const host = yield* machine([
        `${process.execPath}:/usr/local/bin/node`,
        `${join(folder, "role.tar")}:/root/role.tar`,
        ...[first, next, broken].map(
          (file, n) =>
            `${file}:/root/${["first.tgz", "next.tgz", "broken.tgz"][n] ?? basename(file)}`
        )
      ])
      yield* host.must(`
        tar -xf /root/role.tar -C /root
        ip address add 203.0.113.7/32 dev lo
        echo '203.0.113.7 dmp.example.com' >> /etc/hosts
        printf '[sshd]\\nbackend = systemd\\n' > /etc/fail2ban/jail.local`)
      return host
    })
  )
}

/** Runs the playbook on the machine itself; the counts of its recap and all it printed. */
const play = ({ sh }: Machine, variables: Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    const all = {
      dnsmesh_node_package: "/root/first.tgz",
      dnsmesh_node_hostname: "dmp.example.com",
      dnsmesh_node_zone: "mesh.example.com",
      dnsmesh_node_addresses: ["203.0.113.7"],
      dnsmesh_node_apt_update: false,
      dnsmesh_node_caddy_extra: ["tls internal"],
      dnsmesh_node_offsite_command: "cat > /root/offsite.tar",
      ...variables
    }
    const inventory = {
      dnsmesh_nodes: { hosts: { localhost: { ansible_connection: "local" } }, vars: all }
    }
    const { status, stderr, stdout } = yield* sh(`
      cd /root/ansible
      cat > inventory.json <<'EOF'
${JSON.stringify(inventory)}
EOF
      ANSIBLE_NOCOLOR=1 ANSIBLE_PIPELINING=1 ansible-playbook -i inventory.json site.yml`)
    const count = (name: string) =>
      Number(new RegExp(`${name}=(\\d+)`).exec(stdout.slice(stdout.indexOf("PLAY RECAP")))?.[1])
    return { status, changed: count("changed"), text: stdout + stderr }
  })

const authorization = `-H "Authorization: Bearer $(cat /etc/dnsmesh/operator-token)"`
const publish = (name: string) =>
  `curl -sS -o /dev/null -w '%{http_code}' ${authorization} -d '{"value":"v=dmp1;t=ansible","ttl":600}' http://127.0.0.1:8053/v1/records/${name}`
const held = (name: string) => `dig @127.0.0.1 +short +tries=3 ${name} TXT`
const pid = "systemctl show --value -p MainPID dnsmesh-node"
const secret = "5ea1ed".repeat(11).slice(0, 64)
const all = { dnsmesh_node_prometheus: true, dnsmesh_node_fail2ban: true }
/** The node alone: a play takes half the time. */
const alone = { dnsmesh_node_caddy: false, dnsmesh_node_offsite_command: "" }

describe.skipIf(
  !possible() || !installed("ansible-playbook", "nsenter", "npm", "curl", "dig", "caddy")
)("a host the role was played on", () => {
  layer(Host.layer, { excludeTestServices: true, timeout: "180 seconds" })((it) => {
    const test = (name: string, body: (host: Machine) => Effect.Effect<unknown>) =>
      it.effect(name, () => Effect.flatMap(Host, body), 300_000)

    test("has a node with TLS, backups, and what watches it; a second play changes nothing", (host) =>
      Effect.gen(function* () {
        const { must } = host
        const first = yield* play(host, all)
        assert.strictEqual(first.status, 0, first.text)
        assert.include(
          yield* must(
            "curl -fsS --retry 30 --retry-all-errors --retry-delay 1 -k https://dmp.example.com/readyz"
          ),
          '"ready"'
        )
        assert.include(yield* must("dig @127.0.0.1 mesh.example.com SOA"), "status: NOERROR")
        assert.strictEqual(
          (yield* must("stat -c '%U %a' /etc/dnsmesh/operator-token /etc/dnsmesh/node.env")).trim(),
          "root 600\nroot 600"
        )
        yield* must(
          "systemctl is-enabled dnsmesh-node caddy prometheus fail2ban dnsmesh-offsite.timer"
        )
        yield* must(
          "for try in $(seq 50); do fail2ban-client status dnsmesh-node && exit; sleep 0.2; done; exit 1"
        )
        yield* must("promtool check config /etc/prometheus/prometheus.yml")
        // The archive goes where the operator has it carried, and is a good one.
        yield* must("systemctl start dnsmesh-offsite && dnsmesh-node verify - < /root/offsite.tar")

        const before = yield* must(pid)
        const second = yield* play(host, all)
        assert.strictEqual(second.status, 0, second.text)
        assert.strictEqual(second.changed, 0, second.text)
        assert.strictEqual(yield* must(pid), before)
      }))

    test("is restarted for a setting or a secret, and keeps going when one is wrong", (host) =>
      Effect.gen(function* () {
        const { must } = host
        const more = {
          ...alone,
          dnsmesh_node_settings: { DMP_DNS_NSID: 'a "quoted" $HOME \\ name', DMP_MAX_TTL: 7200 },
          dnsmesh_node_secrets: { DMP_TSIG_SEAL_KEY: secret }
        }
        const before = yield* must(pid)
        const played = yield* play(host, more)
        assert.strictEqual(played.status, 0, played.text)
        assert.notInclude(played.text, secret)
        const after = yield* must(pid)
        assert.notStrictEqual(after, before)
        assert.include(yield* must("dig @127.0.0.1 +nsid mesh.example.com SOA"), 'a "quoted" $HOME')
        const environment = yield* must(`tr '\\0' '\\n' < /proc/${after.trim()}/environ`)
        assert.include(environment, "DMP_MAX_TTL=7200")
        assert.include(environment, "DMP_TSIG_SEAL_KEY_FILE=/run/credentials/")
        assert.notInclude(environment, secret)

        const wrong = yield* play(host, {
          ...alone,
          dnsmesh_node_settings: { DMP_HTTP_PORT: "eighty" }
        })
        assert.notStrictEqual(wrong.status, 0)
        assert.include(wrong.text, "DMP_HTTP_PORT")
        assert.strictEqual(yield* must(pid), after)
        const open = yield* play(host, {
          ...alone,
          dnsmesh_node_settings: { DMP_OPERATOR_TOKEN: "x" }
        })
        assert.include(open.text, "secrets belong in dnsmesh_node_secrets")
      }))

    test("is upgraded with a backup before, and goes back when the new release does not start", (host) =>
      Effect.gen(function* () {
        const { must } = host
        const version = `node -p 'require("/usr/local/lib/node_modules/dnsmesh-node/package.json").version'`
        // From whatever the tests before have left.
        assert.strictEqual((yield* play(host, alone)).status, 0)
        assert.strictEqual(yield* must(publish("kept.mesh.example.com")), "201")
        const next = { ...alone, dnsmesh_node_package: "/root/next.tgz" }
        const played = yield* play(host, next)
        assert.strictEqual(played.status, 0, played.text)
        assert.strictEqual((yield* must(version)).trim(), "0.1.1")
        assert.include(yield* must(held("kept.mesh.example.com")), "t=ansible")
        yield* must("dnsmesh-node verify /var/cache/dnsmesh-node/before-upgrade.tar.gz")
        const again = yield* play(host, next)
        assert.strictEqual(again.changed, 0, again.text)

        const failed = yield* play(host, { ...alone, dnsmesh_node_package: "/root/broken.tgz" })
        assert.notStrictEqual(failed.status, 0)
        assert.include(failed.text, "the one before is back")
        assert.strictEqual((yield* must(version)).trim(), "0.1.1")
        assert.include(yield* must(held("kept.mesh.example.com")), "t=ansible")
      }))
  })
})
