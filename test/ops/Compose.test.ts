/** What the compose files bring up, alone and with the production overlay. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { namesOf } from "../../src/runtime/Setting.ts"
import * as Settings from "../../src/Settings.ts"
import { interpolate, project } from "./Compose.ts"

const root = join(import.meta.dirname, "../..")
const base = join(root, "docker-compose.yml")
const overlay = join(root, "docker-compose.prod.yml")
const hostname = { DMP_NODE_HOSTNAME: "dmp.example.com" }
const production = (variables: Readonly<Record<string, string>> = {}) =>
  project([base, overlay], { ...hostname, ...variables })

describe("interpolation", () => {
  it("knows defaults, alternatives and nesting", () => {
    const given = { A: "a", EMPTY: "" }
    assert.strictEqual(interpolate("${A:-x} ${B:-x} ${EMPTY:-x} ${EMPTY-x}", given), "a x x ")
    assert.strictEqual(interpolate("${A:+x}|${B:+x}|${EMPTY:+x}|${EMPTY+x}", given), "x|||x")
    assert.strictEqual(interpolate("$A ${B:-${A}} $$A", given), "a a $A")
    assert.throws(() => interpolate("${B:?give it}", given), /B: give it/)
  })
})

describe("docker-compose.yml", () => {
  const { services, volumes } = project([base], {})
  const node = services["dnsmesh-node"]!

  it("is the node alone, under the names scripts rely on", () => {
    assert.deepStrictEqual(Object.keys(services), ["dnsmesh-node"])
    assert.strictEqual(node["container_name"], "dnsmesh-node")
    assert.strictEqual(node["image"], "dnsmesh-node")
    assert.deepStrictEqual(node.volumes, ["dnsmesh-data:/var/lib/dmp"])
    assert.deepStrictEqual(volumes, { "dnsmesh-data": { name: "dnsmesh-data" } })
  })

  it("publishes HTTP to this machine only and DNS over both transports", () => {
    assert.deepStrictEqual(node.ports, [
      "5353:5353/udp",
      "5353:5353/tcp",
      "127.0.0.1:8053:8053/tcp"
    ])
  })

  it("gives the node no privilege it does not need", () => {
    assert.isTrue(node["read_only"])
    assert.deepStrictEqual(node["cap_drop"], ["ALL"])
    assert.deepStrictEqual(node["security_opt"], ["no-new-privileges:true"])
    assert.notProperty(node, "privileged")
    assert.notProperty(node, "user")
  })

  it("hands every setting through that is not fixed by the container", () => {
    const fixed = ["DMP_DB_PATH", "DMP_DNS_HOST", "DMP_DNS_PORT", "DMP_HTTP_HOST", "DMP_HTTP_PORT"]
    const names = Settings.all.flatMap((setting) =>
      namesOf(setting).flatMap((name) => (setting.inFile ? [name, `${name}_FILE`] : [name]))
    )
    const outside = Object.fromEntries(names.map((name) => [name, `outside ${name}`]))
    const { environment } = project([base], outside).services["dnsmesh-node"]!
    for (const name of names)
      if (fixed.includes(name)) assert.notStrictEqual(environment[name], outside[name], name)
      else
        assert.strictEqual(
          environment[name],
          outside[name],
          `${name}: run ops/dev/write-compose-settings.ts`
        )
  })

  it("sets nothing that is not set outside", () => {
    assert.deepStrictEqual(node.environment, {
      DMP_DB_PATH: "/var/lib/dmp/dmp.db",
      DMP_DNS_HOST: "",
      DMP_DNS_PORT: "5353",
      DMP_HTTP_HOST: "",
      DMP_HTTP_PORT: "8053"
    })
  })
})

describe("docker-compose.prod.yml", () => {
  it("insists on a host name", () => {
    assert.throws(() => project([base, overlay], {}), /DMP_NODE_HOSTNAME/)
    assert.throws(() => project([base, overlay], { DMP_NODE_HOSTNAME: "" }), /DMP_NODE_HOSTNAME/)
  })

  it("publishes DNS on 53 over UDP and TCP, and HTTP nowhere but through Caddy", () => {
    const { services } = production()
    assert.deepStrictEqual(services["dnsmesh-node"]!.ports, ["53:5353/udp", "53:5353/tcp"])
    assert.deepStrictEqual(services["caddy"]!.ports, ["80:80/tcp", "443:443/tcp", "443:443/udp"])
    assert.deepStrictEqual(Object.keys(services), ["dnsmesh-node", "caddy"])
  })

  it("can leave part of port 53 to another service of the host", () => {
    const { services } = production({ DNSMESH_DNS_PUBLISH: "203.0.113.7:53" })
    assert.deepStrictEqual(services["dnsmesh-node"]!.ports, [
      "203.0.113.7:53:5353/udp",
      "203.0.113.7:53:5353/tcp"
    ])
  })

  it("gives Caddy its file, its certificates' storage and the host name", () => {
    const { services, volumes } = production()
    const caddy = services["caddy"]!
    assert.deepStrictEqual(caddy.volumes, [
      "./Caddyfile:/etc/caddy/Caddyfile:ro",
      "caddy-data:/data",
      "caddy-config:/config"
    ])
    assert.deepStrictEqual(caddy.environment, hostname)
    assert.deepStrictEqual(Object.keys(volumes), ["dnsmesh-data", "caddy-data", "caddy-config"])
    assert.deepStrictEqual(caddy["depends_on"], {
      "dnsmesh-node": { condition: "service_healthy" }
    })
  })

  it("trusts exactly the network it defines", () => {
    for (const variables of [{}, { DNSMESH_SUBNET: "10.9.8.0/28" }]) {
      const whole = production(variables)
      const trusted = whole.services["dnsmesh-node"]!.environment["DMP_TRUSTED_PROXIES"]
      assert.deepStrictEqual(whole["networks"], {
        default: { ipam: { config: [{ subnet: trusted }] } }
      })
    }
  })

  const secrets = (variables: Readonly<Record<string, string>>) =>
    Object.entries(production(variables).services["dnsmesh-node"]!.environment).filter(([name]) =>
      /^DMP_.*TOKEN(_FILE)?$/.test(name)
    )
  const tokenFile = "/var/lib/dmp/operator-token"

  it("has the node make a token in the data volume when none is given", () => {
    assert.deepStrictEqual(secrets({}), [["DMP_OPERATOR_TOKEN_FILE", tokenFile]])
    assert.deepStrictEqual(
      secrets({ DMP_OPERATOR_TOKEN: "" }).filter(([, value]) => value !== ""),
      [["DMP_OPERATOR_TOKEN_FILE", tokenFile]]
    )
  })

  it.each([
    "DMP_OPERATOR_TOKEN",
    "DMP_HTTP_TOKEN",
    "DMP_HTTP_TOKEN_FILE",
    "DMP_OPERATOR_TOKEN_FILE"
  ])("takes the operator's own %s as the only source", (name) => {
    assert.deepStrictEqual(secrets({ [name]: "given" }), [[name, "given"]])
  })
})

describe("Caddyfile", () => {
  it("is the one of the production guide", () => {
    assert.strictEqual(
      readFileSync(join(root, "Caddyfile"), "utf8"),
      [
        "{$DMP_NODE_HOSTNAME} {",
        "    encode gzip zstd",
        "    reverse_proxy dnsmesh-node:8053 {",
        "        header_up X-Forwarded-For {remote_host}",
        "        header_up X-Real-IP {remote_host}",
        "    }",
        "    log {",
        "        output stdout",
        "        format json",
        "    }",
        "}",
        ""
      ].join("\n")
    )
  })
})
