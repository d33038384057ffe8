/** The Litestream example of docs/backup.md beside a node that is written to, and its restore. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { withDatabase } from "../fixtures/Databases.ts"
import * as Tools from "../fixtures/Tools.ts"
import * as Node from "./NodeProcess.ts"

const guide = readFileSync(join(import.meta.dirname, "../../docs/backup.md"), "utf8")
const example = /### Litestream\n[^]*?```yaml\n([^]*?)```/.exec(guide)?.[1] ?? ""

const lastRecord = (path: string) =>
  withDatabase(path, (db) =>
    String(db.prepare("SELECT max(stored_ts) AS at FROM records").get()?.["at"])
  )

describe.skipIf(!Tools.installed("litestream", "sqlite3"))(
  "litestream beside a running node",
  () => {
    it.scopedLive(
      "may read and copy its database, holds no writer up, and gives everything back",
      () =>
        Effect.gen(function* () {
          const home = yield* Node.directory
          const data = join(home, "data")
          const elsewhere = join(home, "elsewhere")
          mkdirSync(data, { mode: 0o700 })
          mkdirSync(elsewhere)
          const config = join(home, "litestream.yml")
          assert.include(example, "/mnt/elsewhere")
          writeFileSync(
            config,
            example.replaceAll("/var/lib/dmp", data).replaceAll("/mnt/elsewhere", elsewhere)
          )
          const records = join(data, "dmp.db")
          const env = {
            DMP_DB_PATH: records,
            DMP_AUTH_MODE: "multi-tenant",
            DMP_OPERATOR_TOKEN: "operator",
            DMP_HTTP_RATE: "0"
          }
          const total = 400
          yield* Effect.scoped(
            Effect.gen(function* () {
              const node = yield* Node.start(env)
              const litestream = yield* Tools.daemon("litestream", ["replicate", "-config", config])
              // Over the node's own checkpoints (1000 pages), so that both want the log.
              yield* Effect.forEach(
                Array.from({ length: total }, (_, n) => n),
                (n) =>
                  Effect.map(
                    Node.publish(
                      node,
                      `r${n}.mesh.test`,
                      `${n} ${"x".repeat(1800)}`,
                      3600,
                      "operator"
                    ),
                    ({ body, status }) => assert.strictEqual(status, 201, body)
                  ),
                { concurrency: 8 }
              )
              // Another process reads what the node has just acknowledged, while it runs.
              const seen = yield* Tools.run("sqlite3", [records, "SELECT count(*) FROM records"])
              assert.strictEqual(seen.stdout.trim(), String(total), seen.stderr)
              const latest = yield* lastRecord(records)
              const copy = join(home, "trial.db")
              yield* Tools.eventually(
                Effect.gen(function* () {
                  rmSync(copy, { force: true })
                  yield* Tools.run("litestream", [
                    "restore",
                    "-config",
                    config,
                    "-o",
                    copy,
                    records
                  ])
                  return existsSync(copy) && (yield* lastRecord(copy)) === latest
                }),
                60
              ).pipe(Effect.tapErrorCause(() => Effect.sync(() => console.error(litestream.log()))))
              node.child.kill("SIGKILL")
              yield* node.ended
            })
          )
          rmSync(data, { recursive: true })
          mkdirSync(data, { mode: 0o700 })
          for (const name of ["dmp.db", "dmp_tokens.db"]) {
            const restored = yield* Tools.run("litestream", [
              ...["restore", "-config", config, join(data, name)]
            ])
            assert.strictEqual(restored.status, 0, restored.stderr)
          }
          const node = yield* Node.start(env)
          for (let n = 0; n < total; n++) {
            const { body } = yield* Node.request(node, `/v1/records/r${n}.mesh.test`, {
              headers: { authorization: "Bearer operator" }
            })
            assert.include(body, `"${n} xxx`, `r${n}`)
          }
        }),
      120_000
    )
  }
)
