import * as Command from "@effect/cli/Command"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Either, Option } from "effect"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { command } from "../../src/cli/cluster.ts"
import * as NodeCertificate from "../../src/dmp/NodeCertificate.ts"
import * as NodeIdentity from "../../src/peers/NodeIdentity.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

/** Runs `cluster …`; yields how it ended and what it printed. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const recording = {
      ...(yield* Effect.console),
      log: (...parts: ReadonlyArray<unknown>) => Effect.sync(() => void lines.push(parts.join(" ")))
    }
    const exit = yield* Command.run(command, { name: "cluster", version: "0" })([
      "node",
      "cluster",
      ...args
    ]).pipe(Effect.withConsole(recording as Console.Console), Effect.exit)
    return { ok: exit._tag === "Success", text: lines.join("\n") }
  }).pipe(Effect.provide(NodeContext.layer))

describe("dnsmesh-node cluster", () => {
  it.scopedLive("makes a key and a manifest that verifies under it, and under no other", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const key = join(directory, "operator.key")
      const file = join(directory, "cluster.json")
      const made = yield* run("keygen", "--out", key)
      const spk = /^DMP_SYNC_OPERATOR_SPK=([0-9a-f]{64})$/.exec(made.text)?.[1] ?? ""
      assert.strictEqual(statSync(key).mode & 0o777, 0o600)
      assert.notInclude(made.text, readFileSync(key, "utf8").trim())
      assert.isFalse((yield* run("keygen", "--out", key)).ok, "a key is never overwritten")

      const node = ["--node", "a=http://10.0.0.1:8054", "--node", "b=http://b:8054=b:53"]
      const sign = ["sign", "--key", key, "--name", "mesh.example.org", "--seq", "7", ...node]
      assert.isTrue((yield* run(...sign, "--out", file)).ok)
      const verified = yield* run("verify", file, "--spk", spk, "--name", "Mesh.example.org.")
      assert.isTrue(verified.ok)
      assert.include(verified.text, "seq: 7")
      assert.include(verified.text, "node: b http://b:8054 dns b:53")
      assert.isTrue((yield* run("show", file, "--json")).ok)
      assert.isFalse((yield* run("verify", file, "--spk", "ab".repeat(32))).ok)
      assert.isFalse((yield* run("verify", file, "--spk", spk, "--name", "other.org")).ok)
    })
  )

  it.scopedLive("certifies the key of a node, made here or there", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const key = join(directory, "operator.key")
      const file = join(directory, "node-a.identity")
      const made = yield* run("keygen", "--out", key)
      const spk = Buffer.from(/=([0-9a-f]{64})$/.exec(made.text)?.[1] ?? "", "hex")
      const certify = (...rest: ReadonlyArray<string>) =>
        run("certify", "--key", key, "--name", "mesh.example.org", ...rest)
      const { ok, text } = yield* certify("--node", "node-a", "--out", file)
      assert.isTrue(ok)
      assert.strictEqual(text, `DMP_SYNC_NODE_IDENTITY_FILE=${file}`)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const identity = Option.getOrThrow(NodeIdentity.parse(readFileSync(file, "utf8")))
      assert.strictEqual(identity.nodeId, "node-a")
      const verified = NodeCertificate.verify(identity.certificate, spk)
      assert.isTrue(Either.isRight(verified))

      const own = yield* certify("--node", "node-b", "--public-key", spk.toString("hex"))
      assert.strictEqual(Either.getOrThrow(NodeCertificate.verify(own.text, spk)).nodeId, "node-b")
      assert.isFalse((yield* certify("--node", "node-a")).ok, "a key is never printed")
      assert.isFalse((yield* certify("--node", "a;b", "--out", join(directory, "x"))).ok)
      assert.isFalse((yield* certify("--node", "a", "--public-key", "00".repeat(32))).ok)
      assert.isFalse((yield* certify("--node", "a", "--public-key", "zz")).ok)
    })
  )

  it.scopedLive("refuses to sign what no node would install", () =>
    Effect.gen(function* () {
      const key = join(yield* tempDirectory, "operator.key")
      yield* run("keygen", "--out", key)
      const sign = (...rest: ReadonlyArray<string>) =>
        Effect.map(run("sign", "--key", key, "--name", "a.org", ...rest), ({ ok }) => ok)
      assert.isFalse(yield* sign())
      assert.isFalse(yield* sign("--node", "a=ftp://x"))
      assert.isFalse(yield* sign("--node", "a=http://x", "--node", "a=http://y"))
      assert.isFalse(yield* sign("--node", "a=http://x", "--days", "9999"))
      assert.isFalse(yield* sign("--node", "a=http://x", "--seq", "-1"))
      assert.isTrue(yield* sign("--node", "a=http://x"))
    })
  )
})
