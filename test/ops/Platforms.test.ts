/** Both processors the node is released for: nothing it is made of is tied to one of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import * as Dns from "../e2e/DnsClient.ts"
import { publish } from "../e2e/NodeProcess.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, eventually, installed } from "../fixtures/Tools.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const processors = ["x64", "arm64"] as const

interface Locked {
  readonly cpu?: string | ReadonlyArray<string>
  readonly os?: string | ReadonlyArray<string>
}
const locked: Readonly<Record<string, Locked>> = JSON.parse(read("package-lock.json")).packages
const has = (list: string | ReadonlyArray<string> | undefined, value: string) =>
  list !== undefined && [list].flat().includes(value)

/** Machine types of ELF files. */
const machineOf = { x64: 0x3e, arm64: 0xb7 } as const

/** The newest version of the C library that `file` asks for. */
const glibcOf = (file: Buffer): number =>
  Math.max(
    ...[...file.toString("latin1").matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor))
  )

describe("SQLite's driver", () => {
  const driver = join(root, "node_modules/better-sqlite3/prebuilds")

  it.each(processors)("has a binary for Linux on %s that Debian 12 can load", (processor) => {
    const binary = readFileSync(join(driver, `linux-${processor}.node`))
    assert.strictEqual(binary.readUInt16LE(18), machineOf[processor])
    // bookworm has glibc 2.36.
    assert.isAtMost(glibcOf(binary), 36)
  })
})

describe("the lock file", () => {
  // Install scripts are off (.npmrc): what comes as a binary comes for a processor.
  it("has for arm64 whatever it has for x64, on Linux", () => {
    assert.include(read(".npmrc"), "ignore-scripts=true")
    // Rollup names this one for x64 alone, and does without it elsewhere.
    const single = "node_modules/@napi-rs/lzma-linux-x64-gnu"
    const paths = Object.entries(locked)
      .filter(([path, { cpu, os }]) => has(cpu, "x64") && has(os, "linux") && path !== single)
      .map(([path]) => path)
    assert.isNotEmpty(paths)
    for (const path of paths) {
      const other = locked[path.replace("x64", "arm64")]
      assert.isDefined(other, `${path} has no counterpart`)
      assert.isTrue(has(other?.cpu, "arm64") && has(other?.os, "linux"), path)
    }
  })
})

describe("the build", () => {
  it("holds no native code: the driver stays beside it", () => {
    const files = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })
    assert.isNotEmpty(files.filter((file) => file.endsWith(".js")))
    assert.isEmpty(files.filter((file) => file.endsWith(".node")))
  })
})

describe("the image", () => {
  it("is built from tags that hold both processors, and names none", () => {
    const dockerfile = read("Dockerfile").replaceAll(/^\s*#.*$/gm, "")
    const bases = [...dockerfile.matchAll(/^FROM (.+)$/gm)].map(([, base = ""]) => base)
    assert.isNotEmpty(bases)
    for (const base of bases) assert.notMatch(base, /@sha256:|--platform=linux/)
    assert.notMatch(dockerfile, /x64|amd64|x86_64|arm64|aarch64/)
  })

  it("is built by CI for both, and tried on each", () => {
    const { jobs } = parse(read(".github/workflows/check.yml"))
    assert.sameMembers(jobs.image.strategy.matrix.runner, ["ubuntu-24.04", "ubuntu-24.04-arm"])
    assert.include(JSON.stringify(jobs.image.steps), "ops/image-check")
    const release = parse(read(".github/workflows/release.yml"))
    assert.include(JSON.stringify(release.jobs.image.steps), "linux/amd64,linux/arm64")
  })
})

const emulated = process.env["DNSMESH_ARM64"] ?? ""
describe.skipIf(emulated === "" || !existsSync(emulated) || !installed("qemu-aarch64-static"))(
  "an emulated arm64",
  () => {
    it.scopedLive(
      "starts the build, takes a record, serves it and stops",
      () =>
        Effect.gen(function* () {
          const token = "t".repeat(32)
          const { child, log } = yield* daemon("env", [
            ...[
              `DMP_DB_PATH=${join(yield* tempDirectory, "dmp.db")}`,
              `DMP_OPERATOR_TOKEN=${token}`
            ],
            ...["DMP_DNS_HOST=127.0.0.1", "DMP_DNS_PORT=0", "DMP_HTTP_HOST=127.0.0.1"],
            ...["DMP_HTTP_PORT=0", "DMP_DOMAIN=mesh.test"],
            ...["qemu-aarch64-static", "-L", join(emulated, "root")],
            ...[join(emulated, "package/bin/node"), join(root, "dist/main.js"), "serve"]
          ])
          const up = /DMP node up: dns=\S*?:(\d+)\/\S* http=\S*?:(\d+)/
          yield* eventually(
            Effect.sync(() => up.test(log())),
            90
          )
          const [, dns, http] = up.exec(log()) ?? []
          const answer = yield* publish({ http: Number(http) }, "x.mesh.test", "v=arm", 300, token)
          assert.strictEqual(answer.status, 201)
          assert.deepStrictEqual(yield* Dns.resolve(Number(dns), "x.mesh.test"), ["v=arm"])
          child.kill("SIGTERM")
          yield* eventually(
            Effect.sync(() => child.exitCode !== null),
            30
          )
          assert.strictEqual(child.exitCode, 0, log())
        }),
      120_000
    )
  }
)
