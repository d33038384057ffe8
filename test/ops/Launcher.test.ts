/**
 * `npm start` and the `dnsmesh-node` launchers on a fresh copy of the tree, whose sources are a
 * stand-in for the node: what is under test is what happens before it and around it.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")

// answers /health and says how it was started; `exit N` ends with that code
const standIn = `
import { createServer } from "node:http"
const [command, code] = process.argv.slice(2)
const seen = ["DMP_DB_PATH", "DMP_HTTP_HOST"].map((name) => name + "=" + (process.env[name] ?? ""))
console.log("stand-in", process.version, process.pid, process.argv.slice(2).join(" "), seen.join(" "))
if (command === "exit") process.exitCode = Number(code)
if (command === "serve") {
  const server = createServer((_, response) => response.end("{}"))
  server.listen(Number(process.env["DMP_HTTP_PORT"] ?? 0), "127.0.0.1", () => {
    const address = server.address()
    console.log("listening", typeof address === "object" ? address?.port : "")
  })
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.on(signal, () => {
      console.log("got", signal)
      server.close()
      server.closeAllConnections()
      process.exitCode = 7
    })
}
`

// settings of the machine the tests run on, and npm's of this very run, stay outside
const { DMP_DB_PATH: _, ...inherited } = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(DMP_|npm_)/.test(name))
)

const freePort = () =>
  execFileSync(
    process.execPath,
    [
      "-e",
      "const s=require('net').createServer().listen(0,()=>{console.log(s.address().port);s.close()})"
    ],
    { encoding: "utf8" }
  ).trim()

describe("the launchers of a checkout", () => {
  let tree = ""
  const children: Array<ChildProcess> = []

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), "dnsmesh-launch-"))
    for (const file of ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "ops"])
      cpSync(join(root, file), join(tree, file), { recursive: true })
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"))
    mkdirSync(join(tree, "src"))
    cpSync(join(root, "src/tsconfig.json"), join(tree, "src/tsconfig.json"))
    writeFileSync(join(tree, "src/main.ts"), standIn)
  })
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL")
    rmSync(tree, { recursive: true, force: true })
  })

  const launch = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    spawnSync(join(tree, "ops/bin/dnsmesh-node"), args, {
      encoding: "utf8",
      env: { ...inherited, ...env }
    })

  const start = (env: Readonly<Record<string, string>>) => {
    const child = spawn("npm", ["start", "--silent"], { cwd: tree, env: { ...inherited, ...env } })
    children.push(child)
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text))
    const until = async (pattern: RegExp) => {
      for (let tries = 0; tries < 400 && !pattern.test(output); tries++)
        await new Promise((resolve) => setTimeout(resolve, 50))
      assert.match(output, pattern)
      return output
    }
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
    return { child, ended, until }
  }

  it("builds first, then only when the sources have changed", () => {
    const first = launch(["hello"])
    assert.match(first.stderr, /building/)
    assert.match(first.stdout, /stand-in .* hello /)
    const second = launch(["hello"])
    assert.notMatch(second.stderr, /building/)
    assert.match(second.stdout, /stand-in .* hello /)
    writeFileSync(join(tree, "src/main.ts"), `${standIn}\nconsole.log("changed")\n`)
    const third = launch(["hello"])
    assert.match(third.stderr, /building/)
    assert.match(third.stdout, /changed/)
    writeFileSync(join(tree, "src/main.ts"), standIn)
  })

  it("does not start what does not compile, and leaves the last build alone", () => {
    launch(["hello"])
    const before = readFileSync(join(tree, "dist/main.js"), "utf8")
    writeFileSync(join(tree, "src/main.ts"), `${standIn}\nconst wrong = = 1\n`)
    const { status, stderr, stdout } = launch(["hello"])
    writeFileSync(join(tree, "src/main.ts"), standIn)
    assert.strictEqual(status, 1)
    assert.match(stderr, /ERROR[^]*the sources do not compile/)
    assert.notMatch(stderr, /\bat .*\.mjs:/)
    assert.notMatch(stdout, /stand-in/)
    assert.strictEqual(readFileSync(join(tree, "dist/main.js"), "utf8"), before)
  })

  it("runs on the pinned Node and passes arguments and exit code through", () => {
    const { status, stdout } = launch(["exit", "78"])
    assert.strictEqual(status, 78)
    assert.match(stdout, /^stand-in v2[4-9]\./m)
  })

  it("runs through npm exec, on the data of npm start", () => {
    const { status, stdout } = spawnSync("npm", ["exec", "dnsmesh-node", "--", "exit", "3"], {
      cwd: tree,
      encoding: "utf8",
      env: inherited
    })
    assert.strictEqual(status, 3)
    assert.include(stdout, `DMP_DB_PATH=${join(tree, "data/dmp.db")}`)
  })

  it("keeps its hands off the data path outside npm", () => {
    assert.match(launch(["hello"]).stdout, /DMP_DB_PATH= /)
  })

  it("shows the administrator's commands rather than start a node", () => {
    const admin = spawnSync(join(tree, "ops/bin/dnsmesh-node-admin"), [], { encoding: "utf8" })
    assert.match(admin.stdout, /stand-in \S+ \d+ --help /)
  })

  it("starts with local data and an HTTP port of this machine, and says how to try it", async () => {
    const port = freePort()
    const { child, ended, until } = start({ DMP_HTTP_PORT: port })
    const output = await until(/dig @127\.0\.0\.1 -p 5353 \S+ TXT/)
    assert.include(output, `DMP_DB_PATH=${join(tree, "data/dmp.db")}`)
    assert.match(output, /DMP_HTTP_HOST=127\.0\.0\.1(,::1)?$/m)
    assert.include(output, `curl -X POST http://127.0.0.1:${port}/v1/records/`)
    child.kill("SIGTERM")
    assert.strictEqual(await ended, 7)
  })

  it("obeys the environment", async () => {
    const { child, ended, until } = start({
      DMP_DB_PATH: "/nowhere/dmp.db",
      DMP_HTTP_HOST: "127.0.0.1",
      DMP_HTTP_PORT: freePort(),
      DMP_DNS_PORT: "15353",
      DMP_SERVED_ZONE: "mesh.example",
      DMP_OPERATOR_TOKEN: "not-to-be-shown"
    })
    const output = await until(/dig @127\.0\.0\.1 -p 15353 hello\.mesh\.example TXT/)
    assert.include(output, "DMP_DB_PATH=/nowhere/dmp.db DMP_HTTP_HOST=127.0.0.1\n")
    assert.include(output, "Authorization: Bearer $DMP_OPERATOR_TOKEN")
    assert.notInclude(output, "not-to-be-shown")
    child.kill("SIGTERM")
    await ended
  })

  it("leaves the bind to a node that has a token", async () => {
    const { child, ended, until } = start({ DMP_HTTP_PORT: "0", DMP_OPERATOR_TOKEN: "secret" })
    assert.match(await until(/stand-in.*\n/), /DMP_HTTP_HOST=$/m)
    child.kill("SIGTERM")
    await ended
  })

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "is replaced by the node, which gets %s",
    async (signal) => {
      const child = spawn(join(tree, "ops/dev/start"), {
        env: { ...inherited, DMP_HTTP_PORT: "0" }
      })
      children.push(child)
      let output = ""
      child.stdout.setEncoding("utf8")
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
      await new Promise<void>((resolve) =>
        child.stdout.on("data", (text: string) => {
          output += text
          if (output.includes("listening")) resolve()
        })
      )
      assert.include(output, ` ${child.pid} serve`)
      child.kill(signal)
      assert.strictEqual(await ended, 7)
      assert.include(output, `got ${signal}`)
    }
  )
})
