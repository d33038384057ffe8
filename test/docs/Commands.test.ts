/**
 * Executes the documentation: blocks fenced as `sh run` of one page run in order in one shell,
 * in the checkout, with a home and data of their own. `sh run service` runs beside them until the
 * page is done; `needs=a,b` names programs without which a block is skipped. The ports that the
 * pages name are replaced by free ones.
 */
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { directory } from "../e2e/NodeProcess.ts"
import { eventually, installed } from "../fixtures/Tools.ts"

const root = join(import.meta.dirname, "../..")

interface Block {
  readonly service: boolean
  readonly needs: ReadonlyArray<string>
  readonly text: string
}

const blocksOf = (page: string): ReadonlyArray<Block> =>
  [...page.matchAll(/^( *)```sh run([^\n]*)\n([\s\S]*?)^ *```$/gm)].map(
    ([, indent = "", info = "", text = ""]) => ({
      service: /\bservice\b/.test(info),
      needs: /needs=(\S+)/.exec(info)?.[1]?.split(",") ?? [],
      text: text.replaceAll(new RegExp(`^${indent}`, "gm"), "")
    })
  )

const pages = readdirSync(join(root, "docs"))
  .filter((file) => file.endsWith(".md"))
  .map((file) => ({
    file,
    blocks: blocksOf(readFileSync(join(root, "docs", file), "utf8"))
  }))
  .filter(({ blocks }) => blocks.length > 0)

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    )
  })
})

/** A shell script with everything it started, which ends with the scope. */
const shell = (script: string, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn("sh", ["-euc", script], {
        cwd: root,
        env: { PATH: process.env["PATH"], ...env },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true
      })
      const chunks: Array<string> = []
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => chunks.push(text))
      return { child, output: () => chunks.join("") }
    }),
    ({ child }) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.pid === undefined) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        process.kill(-child.pid, "SIGTERM")
      })
  )

const answers = (url: string) =>
  Effect.promise(() =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false
    )
  )

describe("the documentation", () => {
  it("has commands to run, and none marked that could not be", () => {
    assert.includeMembers(
      pages.map(({ file }) => file),
      ["quickstart.md", "operations.md"]
    )
    for (const { blocks } of pages)
      for (const { text } of blocks) assert.notMatch(text, /\bsudo\b|docker|example\.com:|ssh /)
  })

  it.scopedLive.each(pages)(
    "$file does what it says",
    ({ blocks }) =>
      Effect.gen(function* () {
        const home = yield* directory
        const [http, dns] = [yield* freePort, yield* freePort]
        const env = {
          HOME: home,
          npm_config_cache: join(home, "npm"),
          npm_config_update_notifier: "false",
          DMP_DB_PATH: join(home, "dmp.db"),
          DMP_HTTP_PORT: String(http),
          DMP_DNS_PORT: String(dns),
          DMP_DNS_HOST: "127.0.0.1"
        }
        const here = (text: string) =>
          text.replaceAll("127.0.0.1:8053", `127.0.0.1:${http}`).replaceAll("-p 5353", `-p ${dns}`)
        for (const { needs, service, text } of blocks) {
          if (!installed(...needs)) continue
          const { child, output } = yield* shell(here(text), env)
          if (service) {
            yield* eventually(answers(`http://127.0.0.1:${http}/readyz`), 90)
            continue
          }
          yield* eventually(
            Effect.sync(() => child.exitCode !== null || child.signalCode !== null),
            90
          )
          assert.strictEqual(child.exitCode, 0, `${text}\n${output()}`)
        }
      }),
    240_000
  )
})
