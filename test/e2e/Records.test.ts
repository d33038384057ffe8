/** `records …` as an operator uses it: beside a running node, without one, on stores of any size. */
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { valueHash } from "../../src/zone/ValueHash.ts"
import { withDatabase } from "../fixtures/Databases.ts"
import { runNode } from "./Admin.ts"
import { directory, type Environment, launch, publish, request, start } from "./NodeProcess.ts"

const token = "op-secret-token"

const environment = Effect.map(directory, (home): Environment => ({
  DMP_DB_PATH: join(home, "dmp.db"),
  DMP_OPERATOR_TOKEN: token,
  DMP_DOMAIN: "mesh.test",
  DMP_HTTP_HOST: "127.0.0.1"
}))

const home = (env: Environment) => join(env["DMP_DB_PATH"]!, "..")

const values = (node: { readonly http: number }, name: string) =>
  Effect.map(
    request(node, `/v1/records/${name}`, { headers: { authorization: `Bearer ${token}` } }),
    ({ body }) => JSON.parse(body).values as ReadonlyArray<string>
  )

describe("dnsmesh-node records", () => {
  it.scopedLive(
    "lists, shows, exports and imports beside the running node, whose answers follow",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const node = yield* start(env)
        const beside = { ...env, DMP_HTTP_PORT: String(node.http) }
        const records = (...args: ReadonlyArray<string>) => runNode(beside, "records", ...args)
        yield* publish(node, "a.mesh.test", "one \\ ~", 600, token)
        yield* publish(node, "b.mesh.test", "two", 7200, token)

        const listed = yield* records("list")
        assert.match(listed.output, /(?:9|10)m +other +7 +a\.mesh\.test +one \\ ~\n/)
        const soon = yield* records("list", "--ending-within", "1h", "--json")
        assert.deepStrictEqual(
          (JSON.parse(soon.output) as ReadonlyArray<{ name: string }>).map(({ name }) => name),
          ["a.mesh.test"]
        )
        assert.notInclude((yield* records("list", "--name", "b*")).output, "a.mesh")
        assert.notInclude((yield* records("list", "--limit", "1")).output, "b.mesh")
        assert.strictEqual((yield* records("list", "--kind", "claim", "--json")).output, "[]\n")
        const shown = yield* records("get", "A.mesh.test.", "--json")
        assert.deepInclude(JSON.parse(shown.output), { name: "a.mesh.test", served: true })

        for (const format of ["json", "zone"]) {
          const file = join(home(env), `out.${format}`)
          const exported = yield* records("export", "--format", format, file)
          assert.deepStrictEqual([exported.code, exported.output], [0, `${file}: 2 records\n`])
          assert.strictEqual(statSync(file).mode & 0o777, 0o600)
          for (const name of ["a", "b"])
            yield* request(node, `/v1/records/${name}.mesh.test`, {
              method: "DELETE",
              headers: { authorization: `Bearer ${token}` }
            })
          assert.deepStrictEqual(yield* values(node, "a.mesh.test"), [])
          const dry = yield* records("import", "--dry-run", file)
          assert.deepStrictEqual([dry.code, /2 published/.test(dry.output)], [0, true])
          assert.deepStrictEqual(yield* values(node, "a.mesh.test"), [])
          const done = yield* records("import", file)
          assert.strictEqual(done.code, 0, done.output)
          assert.include(done.output, `http://127.0.0.1:${node.http}: 2 read, 2 published`)
          assert.deepStrictEqual(yield* values(node, "a.mesh.test"), ["one \\ ~"])
          assert.deepStrictEqual(yield* values(node, "b.mesh.test"), ["two"])
        }
        const wrongToken = yield* runNode(
          { ...beside, DMP_OPERATOR_TOKEN: "other" },
          "records",
          "import",
          join(home(env), "out.json")
        )
        assert.deepStrictEqual([wrongToken.code, /401/.test(wrongToken.output)], [1, true])
        const checked = yield* records("check")
        assert.deepStrictEqual([checked.code, /2 of them live/.test(checked.output)], [0, true])
      }),
    120_000
  )

  it.scopedLive(
    "imports into a stopped node's database by the same rules, and says what it refused",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const file = join(home(env), "in.json")
        const line = (record: object) => `${JSON.stringify(record)}\n`
        const ends = Math.floor(Date.now() / 1000) + 500
        writeFileSync(
          file,
          [
            line({ name: "a.mesh.test", value: "x", ttl: 86_000, expires_at: ends }),
            line({ name: "over.mesh.test", value: "x", expires_at: 5 }),
            line({ name: "long.mesh.test", value: "x", ttl: 99_999_999 }),
            line({ name: "id-0123456789abcdef.mesh.test", value: "v=dmp1;t=identity;d=AAAA" }),
            "rubbish\n"
          ].join("")
        )
        const absent = yield* runNode(env, "records", "import", file)
        assert.deepStrictEqual([absent.code, /no database at/.test(absent.output)], [2, true])
        yield* Effect.scoped(start(env))

        const done = yield* runNode(env, "records", "import", "--json", file)
        assert.strictEqual(done.code, 1)
        const summary = JSON.parse(done.output)
        assert.deepInclude(summary, {
          into: env["DMP_DB_PATH"],
          read: 5,
          published: 1,
          already_over: 1
        })
        assert.deepStrictEqual(Object.keys(summary.refused).sort(), [
          "content-refused",
          "ttl-too-long",
          "unreadable"
        ])
        assert.match(summary.refused["ttl-too-long"].first[0], /^line 3: long\.mesh\.test: ttl/)

        const node = yield* start(env)
        assert.deepStrictEqual(yield* values(node, "a.mesh.test"), ["x"])
        const [expires] = yield* withDatabase(env["DMP_DB_PATH"]!, (db) =>
          db.prepare("SELECT expires_at FROM records").all()
        )
        // No longer life than it had.
        assert.isAtMost(Number(expires!["expires_at"]), ends)
        assert.isAtLeast(Number(expires!["expires_at"]), ends - 1)
      }),
    120_000
  )

  it.scopedLive(
    "finds what somebody did to the database, and how it is mended is true",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* start(env)
            yield* publish(node, "a.mesh.test", "x", 600, token)
          })
        )
        const wrong = valueHash("other")
        yield* withDatabase(env["DMP_DB_PATH"]!, (db) =>
          db.prepare("UPDATE records SET value_hash = ?").run(wrong)
        )
        const found = yield* runNode(env, "records", "check")
        assert.deepStrictEqual([found.code, /FAIL +hash-wrong/.test(found.output)], [1, true])
        // As the remedy says.
        const file = join(home(env), "one.json")
        yield* runNode(env, "records", "export", "--name", "a.mesh.test", file)
        assert.strictEqual((yield* runNode(env, "records", "import", file)).code, 0)
        assert.strictEqual((yield* runNode(env, "records", "check")).code, 0)
        writeFileSync(env["DMP_DB_PATH"]!, readFileSync(env["DMP_DB_PATH"]!).subarray(0, 9000))
        assert.strictEqual((yield* runNode(env, "records", "check")).code, 1)
      }),
    120_000
  )

  it.scopedLive(
    "streams a store larger than its memory, and ends quietly when nobody reads on",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        yield* Effect.scoped(start(env))
        const count = 120_000
        yield* withDatabase(env["DMP_DB_PATH"]!, (db) => {
          const now = Math.floor(Date.now() / 1000)
          const value = "x".repeat(1000)
          db.exec("BEGIN")
          const insert = db.prepare("INSERT INTO records VALUES (?, ?, 600, ?, ?, ?, ?)")
          for (let i = 0; i < count; i++)
            insert.run(`n${i}.mesh.test`, value, now, now + 6000, now * 1000, valueHash(value))
          db.exec("COMMIT")
        })
        // Its rows are some 120 MB.
        const small = { ...env, NODE_OPTIONS: "--max-old-space-size=64 --max-semi-space-size=4" }
        const file = join(home(env), "all.json")
        const exported = yield* runNode(small, "records", "export", file)
        assert.deepStrictEqual([exported.code, exported.output], [0, `${file}: ${count} records\n`])
        const checked = yield* runNode(small, "records", "check")
        assert.deepStrictEqual(
          [checked.code, checked.output.includes(`${count} looked at`)],
          [0, true]
        )

        const piped = yield* launch(["records", "list"], small, [
          "bash",
          "-o",
          "pipefail",
          "-c",
          '"$@" | head -2',
          "sh"
        ])
        assert.deepStrictEqual((yield* piped.ended).code, 0, piped.output())
        const [head, first, ...rest] = piped.output().trimEnd().split("\n")
        assert.match(head!, /LEFT/)
        assert.match(first!, /n0\.mesh\.test/)
        assert.deepStrictEqual(rest, [])
      }),
    180_000
  )

  it.scopedLive(
    "refuses a command line that is wrong",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        yield* Effect.scoped(start(env))
        for (const args of [
          ["list", "--name", "a[b]"],
          ["list", "--limit", "0"],
          ["list", "--ending-within", "soon"],
          ["get", "a b"],
          ["import", "--url", "ftp://x", "-"],
          ["import", "--url", "http://127.0.0.1:1", "--dry-run", "-"]
        ])
          assert.strictEqual((yield* runNode(env, "records", ...args)).code, 2, args.join(" "))
        assert.strictEqual((yield* runNode(env, "records", "get", "a.mesh.test")).code, 1)
        assert.strictEqual((yield* runNode(env, "records", "import", "/no/such/file")).code, 1)
      }),
    120_000
  )
})
