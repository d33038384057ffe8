/**
 * The drill: a node under write load is backed up, loses its disk, and is restored. Everything
 * acknowledged before the backup began must be there again, and still work.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import * as dnsPacket from "dns-packet"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { rowsOf, withDatabase } from "../fixtures/Databases.ts"
import * as Node from "./NodeProcess.ts"

const operator = "operator-token-of-the-drill-0123456789"
const users = ["alice", "bob", "carol"].map((name, at) => ({
  subject: `${name}@mesh.test`,
  token: `dmp_v1_${"ABC"[at]?.repeat(52)}`,
  hash: ""
}))
for (const user of users) user.hash = createHash("sha256").update(user.token).digest("hex")

const publish = (node: Node.NodeProcess, owner: string, value: string, token = operator) =>
  Node.request(node, `/v1/records/${owner}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ value, ttl: 3600 })
  })

/** The TXT values a node serves for `name`, over UDP. */
const resolve = (node: Node.NodeProcess, name: string) =>
  Effect.async<ReadonlyArray<string>>((resume) => {
    const socket = createSocket("udp4")
    const ask = () =>
      socket.send(
        dnsPacket.encode({ type: "query", id: 7, questions: [{ type: "TXT", name }] }),
        node.dns,
        "127.0.0.1"
      )
    const again = setInterval(ask, 500)
    socket.on("message", (message) => {
      clearInterval(again)
      socket.close()
      const values = (dnsPacket.decode(message).answers ?? []).map((answer) =>
        answer.type === "TXT" ? [answer.data].flat().join("") : ""
      )
      resume(Effect.succeed(values))
    })
    ask()
  })

const run = (args: ReadonlyArray<string>, env: Node.Environment) =>
  Effect.gen(function* () {
    const { ended, output } = yield* Node.launch(args, env)
    const { code } = yield* ended
    return { code, output: output() }
  }).pipe(Effect.scoped)

describe("the backup drill", () => {
  it.scopedLive(
    "restores every record and credential acknowledged before the backup began",
    () =>
      Effect.gen(function* () {
        const home = yield* Node.directory
        const data = join(home, "data")
        const secret = join(data, "operator-token")
        const archive = join(home, "backup.tar.gz")
        mkdirSync(data, { mode: 0o700 })
        writeFileSync(secret, `${operator}\n`, { mode: 0o600 })
        const env = {
          DMP_DB_PATH: join(data, "dmp.db"),
          DMP_OPERATOR_TOKEN_FILE: secret,
          DMP_AUTH_MODE: "multi-tenant",
          DMP_DNS_UPDATE_ENABLED: "1",
          DMP_HTTP_RATE: "0",
          DMP_DNS_RATE: "0",
          DMP_LOG_FORMAT: "json"
        }
        const acknowledged = new Set<string>()
        let later = 0

        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* Node.start(env)
            // Credentials as the operator's tools put them there, beside the running node.
            yield* withDatabase(join(data, "dmp_tokens.db"), (db) => {
              const insert = db.prepare(
                "INSERT INTO tokens (token_hash, subject, subject_type, issued_at) VALUES (?, ?, 1, 1700000000)"
              )
              for (const { hash, subject } of users) insert.run(hash, subject)
              db.exec(`UPDATE tokens SET revoked_at = 1700000001 WHERE subject LIKE 'carol%'`)
            })
            yield* withDatabase(join(data, "dmp_tsig.db"), (db) =>
              db
                .prepare(
                  "INSERT INTO tsig_keys (name, secret, created_at) VALUES (?, ?, 1700000000)"
                )
                .run("drill.mesh.test.", Buffer.alloc(32, 7))
            )
            const load = yield* Effect.forkScoped(
              Effect.forEach(
                Array.from({ length: 8 }, (_, lane) => lane),
                (lane) =>
                  Effect.iterate(0, {
                    while: () => true,
                    body: (n) =>
                      Effect.gen(function* () {
                        const owner = `r${n}.lane${lane}.mesh.test`
                        const { status } = yield* publish(node, owner, `value ${n} of ${lane}`)
                        assert.strictEqual(status, 201)
                        if (!existsSync(`${archive}.begun`)) acknowledged.add(owner)
                        else later++
                        return n + 1
                      })
                  }),
                { concurrency: "unbounded" }
              )
            )
            yield* Effect.sleep("1500 millis")
            writeFileSync(`${archive}.begun`, "")
            const before = later
            const made = yield* run(["backup", "--with-secrets", archive], env)
            assert.strictEqual(made.code, 0, made.output)
            assert.isAbove(later, before, "the node was written to while it was copied")
            assert.strictEqual(load.unsafePoll(), null, "no write failed meanwhile")
            const refused = yield* run(["restore", "--replace", archive], env)
            assert.strictEqual(refused.code, 74)
            assert.include(refused.output, "in use")
            // Torn down as a machine goes down.
            node.child.kill("SIGKILL")
            yield* node.ended
          })
        )
        assert.isAbove(acknowledged.size, 100)
        const credentials = Effect.all([
          rowsOf(join(data, "dmp_tokens.db"), "tokens"),
          rowsOf(join(data, "dmp_tsig.db"), "tsig_keys")
        ])
        const before = yield* credentials
        assert.deepStrictEqual(
          before.map((rows) => rows.length),
          [3, 1]
        )
        rmSync(data, { recursive: true })

        const verified = yield* run(["verify", archive], {})
        assert.strictEqual(verified.code, 0, verified.output)
        const restored = yield* run(["restore", archive], env)
        assert.strictEqual(restored.code, 0, restored.output)
        assert.strictEqual(readFileSync(secret, "utf8").trim(), operator)
        assert.deepStrictEqual(yield* credentials, before)

        const node = yield* Node.start(env)
        for (const owner of acknowledged) {
          const [, n, lane] = /^r(\d+)\.lane(\d+)\./.exec(owner) ?? []
          assert.deepStrictEqual(yield* resolve(node, owner), [`value ${n} of ${lane}`], owner)
        }
        assert.strictEqual((yield* publish(node, "after.mesh.test", "v")).status, 201)
        for (const { subject, token } of users) {
          const hash16 = createHash("sha256")
            .update(subject.split("@")[0] ?? "")
            .digest("hex")
            .slice(0, 16)
          const { body, status } = yield* publish(node, `id-${hash16}.mesh.test`, "mine", token)
          assert.strictEqual(status, subject.startsWith("carol") ? 401 : 201, `${subject}: ${body}`)
        }
        assert.deepStrictEqual(
          readdirSync(data).filter((name) => /restor|backup/.test(name)),
          []
        )
      }),
    120_000
  )
})
