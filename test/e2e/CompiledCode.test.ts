/** What V8 compiles of the build is kept beside it, where that is possible. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { directory, executable } from "./NodeProcess.ts"

const root = dirname(dirname(executable))

/** A copy of the build that has compiled nothing yet. */
const copy = Effect.map(directory, (tree) => {
  cpSync(join(root, "dist"), join(tree, "dist"), {
    recursive: true,
    filter: (file) => !file.endsWith("/compiled")
  })
  cpSync(join(root, "package.json"), join(tree, "package.json"))
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"))
  return join(tree, "dist")
})

const version = (dist: string) =>
  spawnSync(join(root, "node_modules/.bin/node"), [join(dist, "main.js"), "--version"], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] }
  })

describe("compiled code", () => {
  it.scoped("is left by one run for the next", () =>
    Effect.gen(function* () {
      const dist = yield* copy
      const first = version(dist)
      assert.strictEqual(first.status, 0, first.stderr)
      const kept = readdirSync(join(dist, "compiled"), { recursive: true })
      assert.isAbove(kept.length, 3)
      const second = version(dist)
      assert.strictEqual(second.stdout, first.stdout)
      assert.deepStrictEqual(readdirSync(join(dist, "compiled"), { recursive: true }), kept)
    })
  )

  it.scoped("is done without where it cannot be written or is spoilt", () =>
    Effect.gen(function* () {
      const dist = yield* copy
      writeFileSync(join(dist, "compiled"), "in the way")
      const unkept = version(dist)
      assert.strictEqual(unkept.status, 0, unkept.stderr)
      assert.strictEqual(unkept.stderr, "")

      const other = yield* copy
      version(other)
      const [kept = ""] = readdirSync(join(other, "compiled"))
      for (const entry of readdirSync(join(other, "compiled", kept)))
        writeFileSync(join(other, "compiled", kept, entry), "spoilt ".repeat(1000))
      const spoilt = version(other)
      assert.strictEqual(spoilt.status, 0, spoilt.stderr)
      assert.strictEqual(spoilt.stdout, unkept.stdout)
      assert.isTrue(existsSync(join(other, "compiled", kept)))
    })
  )
})
