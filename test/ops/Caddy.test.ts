/**
 * The shipped Caddyfile, run by a real Caddy in front of the real node. Only what a test machine
 * cannot have is replaced after `caddy adapt`: the ports, the upstream's name, the public CA.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const root = join(import.meta.dirname, "../..")
const hasTools = ["caddy", "curl"].every(
  (tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0
)
const token = "caddy-test-token-0123456789abcdef"

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" ? address!.port : 0))
    })
  })

/** Caddy's JSON for the shipped file, with this machine's ports, upstream and CA in it. */
const adapted = (ports: { readonly https: number; readonly node: number }, folder: string) => {
  const json = execFileSync(
    "caddy",
    ["adapt", "--config", join(root, "Caddyfile"), "--adapter", "caddyfile"],
    {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder, DMP_NODE_HOSTNAME: "localhost" },
      stdio: ["ignore", "pipe", "ignore"]
    }
  )
  const upstream = '"dial":"dnsmesh-node:8053"'
  assert.include(json, upstream)
  assert.include(json, '"listen":[":443"]')
  const { apps, logging } = JSON.parse(
    json
      .replace(upstream, `"dial":"127.0.0.1:${ports.node}"`)
      .replace('"listen":[":443"]', `"listen":["127.0.0.1:${ports.https}"]`)
  ) as {
    readonly apps: { readonly http: { readonly servers: Record<string, object> } }
    readonly logging: object
  }
  const servers = Object.fromEntries(
    Object.entries(apps.http.servers).map(([name, server]) => [
      name,
      { ...server, automatic_https: { disable_redirects: true } }
    ])
  )
  return {
    admin: { disabled: true },
    storage: { module: "file_system", root: join(folder, "caddy") },
    logging,
    apps: {
      http: { http_port: 1, https_port: ports.https, servers },
      tls: { automation: { policies: [{ issuers: [{ module: "internal" }] }] } },
      pki: { certificate_authorities: { local: { install_trust: false } } }
    }
  }
}

describe.skipIf(!hasTools)("the node behind the shipped Caddyfile", () => {
  const burst = 5
  let folder = ""
  let https = ""
  let plain = ""
  const children: Array<ChildProcess> = []
  let log = ""

  const run = (
    command: string,
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>>
  ) => {
    const child = spawn(command, args, {
      env: { PATH: process.env["PATH"], HOME: folder, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    children.push(child)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (log += text))
  }

  /** `from` is the client's source address; resolves to status and body. */
  const request = async (url: string, from: string, ...more: ReadonlyArray<string>) => {
    const { stdout } = await promisify(execFile)("curl", [
      ...["-sk", "--max-time", "10", "--interface", from, "-w", "\n%{http_code}", ...more, url]
    ])
    const end = stdout.lastIndexOf("\n")
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
  }

  const publish = (base: string, from: string, ...more: ReadonlyArray<string>) =>
    request(
      `${base}/v1/records/hello.example.com`,
      from,
      ...["-H", "Content-Type: application/json", "-H", `Authorization: Bearer ${token}`],
      ...["-d", '{"value":"v=dmp1;t=hello","ttl":300}'],
      ...more
    )

  const statuses = async (
    times: number,
    one: (attempt: number) => Promise<{ readonly status: number }>
  ) => {
    const seen: Array<number> = []
    for (let attempt = 0; attempt < times; attempt++) seen.push((await one(attempt)).status)
    return seen
  }

  const ready = async (url: string) => {
    for (let tries = 0; tries < 200; tries++) {
      const { status } = await request(url, "127.0.0.1").catch(() => ({ status: 0 }))
      if (status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.fail(`${url} is not up:\n${log}`)
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "dnsmesh-caddy-"))
    const ports = { https: await freePort(), node: await freePort() }
    https = `https://localhost:${ports.https}`
    plain = `http://127.0.0.1:${ports.node}`
    writeFileSync(join(folder, "caddy.json"), JSON.stringify(adapted(ports, folder)))
    run(process.execPath, [join(root, "src/main.ts"), "serve"], {
      DMP_DB_PATH: join(folder, "dmp.db"),
      DMP_DNS_HOST: "127.0.0.1",
      DMP_DNS_PORT: "0",
      DMP_HTTP_HOST: "127.0.0.1",
      DMP_HTTP_PORT: String(ports.node),
      // so slow that no bucket refills during the test
      DMP_HTTP_RATE: "0.0001",
      DMP_HTTP_BURST: String(burst),
      DMP_OPERATOR_TOKEN: token,
      // Caddy's address alone: every other loopback address is a stranger
      DMP_TRUSTED_PROXIES: "127.0.0.1/32"
    })
    run("caddy", ["run", "--config", join(folder, "caddy.json")], {})
    await ready(`${plain}/health`)
    await ready(`${https}/health`)
  })
  afterAll(async () => {
    for (const child of children) {
      const gone = new Promise((resolve) => child.once("exit", resolve))
      if (child.exitCode === null && child.kill("SIGTERM")) await gone
    }
    rmSync(folder, { recursive: true, force: true })
  })

  it("takes a publish over HTTPS and shows it again", async () => {
    assert.strictEqual((await publish(https, "127.0.0.10")).status, 201)
    const shown = await request(
      `${https}/v1/records/hello.example.com`,
      "127.0.0.10",
      ...["-H", `Authorization: Bearer ${token}`]
    )
    assert.strictEqual(shown.status, 200)
    assert.include(shown.body, "v=dmp1;t=hello")
  })

  it("gives two clients behind it a bucket each", async () => {
    const first = await statuses(burst + 2, () => publish(https, "127.0.0.2"))
    assert.deepStrictEqual(first, [...Array.from({ length: burst }, () => 201), 429, 429])
    const second = await statuses(burst + 1, () => publish(https, "127.0.0.3"))
    assert.deepStrictEqual(second, [...Array.from({ length: burst }, () => 201), 429])
  })

  const spoofs = (attempt: number) => [
    ...["-H", `X-Real-IP: 203.0.113.${attempt}`],
    ...["-H", `X-Forwarded-For: 203.0.113.${attempt}`]
  ]

  it("lets no client behind it choose its own address", async () => {
    const seen = await statuses(burst + 2, (attempt) =>
      publish(https, "127.0.0.4", ...spoofs(attempt))
    )
    assert.deepStrictEqual(seen, [...Array.from({ length: burst }, () => 201), 429, 429])
  })

  it("believes no header of a peer that is not the proxy", async () => {
    const seen = await statuses(burst + 2, (attempt) =>
      publish(plain, "127.0.0.5", ...spoofs(attempt))
    )
    assert.deepStrictEqual(seen, [...Array.from({ length: burst }, () => 201), 429, 429])
  })

  it("answers health checks of a client without tokens left", async () => {
    await statuses(burst + 1, () => publish(https, "127.0.0.6"))
    assert.strictEqual((await request(`${https}/health`, "127.0.0.6")).status, 200)
  })
})
